package remote

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/test/servers"
	"holdfast/test/wan"
)

// deaths is how many points of a command a process dies at: all of them in a
// soak, else a sample that is drawn anew in each run and printed.
func deaths(requests int) []int {
	all := rand.Perm(requests)
	if os.Getenv("HOLDFAST_SOAK") != "" {
		return all
	}
	return all[:min(3, requests)]
}

// A command that is killed at any request, before it arrives or before its
// answer does, costs nothing: what was there comes back, and the next run of
// the same command succeeds.
func TestKilledAtARequest(t *testing.T) {
	for name, command := range map[string][]string{
		"backup": {"backup"},
		"prune":  {"forget", "--keep-last", "1", "--prune", "--max-unused", "0"},
	} {
		folder := makeFolder(t)
		k := newKilling(t, folder, command)
		requests := k.count(t)
		t.Logf("%s makes %d requests", name, requests)
		for _, n := range deaths(requests) {
			for _, when := range []wan.Fault{wan.Stall, wan.StallDone} {
				t.Run(fmt.Sprintf("%s request %d %s", name, n+1, when), func(t *testing.T) {
					t.Parallel()
					k.kill(t, n, when)
				})
			}
		}
	}
}

// killing is a command and the repository it finds.
type killing struct {
	server  *servers.S3Server
	bucket  string // the repository, copied for each death
	folder  string
	command []string
}

func newKilling(t *testing.T, folder string, command []string) killing {
	t.Helper()
	k := killing{server: servers.S3(t), folder: folder, command: command}
	k.bucket = k.server.Bucket(t)
	p := s3Place(t, k.server, k.server.Endpoint, k.bucket)
	p.run(t, "init")
	p.run(t, "backup", folder)
	changeFolder(t, folder)
	if command[0] == "backup" {
		k.command = append(k.command, folder)
	} else {
		p.run(t, "backup", folder)
	}
	return k
}

// place copies the repository to a new place behind a proxy.
func (k killing) place(t *testing.T) badPlace {
	t.Helper()
	p := newBadPlace(t, 0)
	copyBucket(t, k.server, k.bucket, p.bucket)
	return p
}

// count runs the command to its end and returns how many requests it made.
func (k killing) count(t *testing.T) (requests int) {
	t.Helper()
	p := k.place(t)
	p.run(t, k.command...)
	for _, n := range p.faults.Requests() {
		requests += n
	}
	return requests
}

// kill kills the command at a request and looks at what is left.
func (k killing) kill(t *testing.T, request int, when wan.Fault) {
	p := k.place(t)
	before := snapshotIDs(t, p.sound)
	p.faults.Set(wan.Rule{Fault: when, Skip: request, Count: 1})
	cmd := p.ours.Command(k.command...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if p.waitForFault(ended) {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
	}
	p.sound.run(t, "unlock")
	if k.command[0] == "backup" {
		for _, id := range before {
			if !strings.Contains(strings.Join(snapshotIDs(t, p.sound), " "), id) {
				t.Errorf("snapshot %s is lost", id)
			}
		}
	}
	p.sound.run(t, "check", "--read-data")
	p.sound.run(t, k.command...)
	p.sound.runRestic(t, "check", "--read-data")
	wantRestored(t, p.sound.run, k.folder)
}

// waitForFault tells whether a request met the fault before the command ended.
// The order of requests is not the same in each run, nor always their number.
func (p badPlace) waitForFault(ended chan error) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for len(p.faults.Injected()) == 0 {
		select {
		case err := <-ended:
			ended <- err
			return false
		case <-tick.C:
		}
	}
	return true
}

// snapshotIDs lists the snapshots.
func snapshotIDs(t *testing.T, p place) []string {
	t.Helper()
	return strings.Fields(p.run(t, "list", "snapshots"))
}
