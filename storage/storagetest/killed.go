package storagetest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/storage"
)

// killedFolder names, to the process that will be killed, where to put.
const killedFolder = "HOLDFAST_TEST_KILLED_FOLDER"

// Killed kills a process that puts objects one after the other, at different
// places, and finds each acknowledged object whole and no torn one. The process
// runs the same test once more; open opens a folder, which is there, in both.
func Killed(t *testing.T, open func(folder string) storage.Store) {
	if folder := os.Getenv(killedFolder); folder != "" {
		putUntilKilled(t, open(folder))
	}
	for acknowledged := range 5 {
		folder := filepath.Join(t.TempDir(), "store")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		last := killAfter(t, folder, acknowledged)
		s := open(folder)
		seen := map[string]bool{}
		err := s.List(t.Context(), "", func(info storage.Info) error {
			seen[info.Key] = true
			b, err := storage.ReadAll(t.Context(), s, info.Key)
			if err == nil && !bytes.Equal(b, killedObject(info.Key)) {
				t.Errorf("%s is torn: %d bytes", info.Key, len(b))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range last {
			if !seen[killedKey(i)] {
				t.Errorf("%s was acknowledged and is lost", killedKey(i))
			}
		}
	}
}

// killAfter runs putUntilKilled in another process, kills it once it has
// acknowledged more than n objects, and returns how many it had by then.
func killAfter(t *testing.T, folder string, n int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), killedFolder+"="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "stored ") {
			t.Errorf("the other process says: %s", lines.Text())
			continue
		}
		if acknowledged++; acknowledged == n+1 {
			cmd.Process.Kill() //nolint:errcheck // further lines are what was in the pipe
		}
	}
	cmd.Wait() //nolint:errcheck // killed, as planned
	return acknowledged
}

func putUntilKilled(t *testing.T, s storage.Store) {
	t.Helper()
	for i := 0; ; i++ {
		key := killedKey(i)
		var body storage.Body = storage.Bytes(killedObject(key))
		if i%2 == 1 { // the way of packs
			spool, err := storage.NewSpool(s)
			if err == nil {
				_, err = spool.Write(killedObject(key))
			}
			if err != nil {
				t.Fatal(err)
			}
			body = spool
		}
		if err := s.Put(t.Context(), key, body, storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if spool, ok := body.(storage.Spool); ok {
			spool.Discard() //nolint:errcheck // it is stored
		}
		fmt.Println("stored", key)
	}
}

func killedKey(i int) string { return fmt.Sprintf("data/%02x/%06d", i%7, i) }

func killedObject(key string) []byte { return bytes.Repeat([]byte(key), 50_000) }
