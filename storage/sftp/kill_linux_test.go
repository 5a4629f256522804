package sftp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"holdfast/storage"
	"holdfast/storage/sftp"
)

// killedFolder names, to the process that will be killed, where to put.
const killedFolder = "HOLDFAST_TEST_KILLED_FOLDER"

// TestKilledProcess kills a process that puts objects one after the other, at
// different places, and finds each acknowledged object whole and no torn one.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(killedFolder); dir != "" {
		putUntilKilled(t, dir)
	}
	o := options(t)
	for acknowledged := range 5 {
		o.Path += "x"
		if err := os.Mkdir(o.Path, 0o700); err != nil {
			t.Fatal(err)
		}
		last := killAfter(t, o.Path, acknowledged)
		s := open(t, o)
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
// acknowledged n objects, and returns how many it had by then.
func killAfter(t *testing.T, dir string, n int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killedFolder+"="+dir)
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
			cmd.Process.Kill() // further lines are what was in the pipe
		}
	}
	cmd.Wait() // killed, as planned
	return acknowledged
}

func putUntilKilled(t *testing.T, dir string) {
	s, err := sftp.Open(t.Context(), sftp.Options{Host: "here", Path: dir, Command: sftpServer})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		key := killedKey(i)
		if err := s.Put(t.Context(), key, storage.Bytes(killedObject(key)), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("stored", key)
	}
}

func killedKey(i int) string { return fmt.Sprintf("data/%02x/%06d", i%7, i) }

func killedObject(key string) []byte { return bytes.Repeat([]byte(key), 50_000) }
