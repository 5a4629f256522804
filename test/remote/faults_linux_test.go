package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/servers"
	"holdfast/test/wan"
)

// seeds is how many times each way of failing is tried.
func seeds() uint64 {
	if os.Getenv("HOLDFAST_SOAK") != "" {
		return 10
	}
	return 1
}

// badPlace is a place on S3 whose requests meet faults.
type badPlace struct {
	place        // by way of the faults
	sound  place // on the same repository, without
	bucket string
	faults *wan.Proxy
}

func newBadPlace(t *testing.T, seed uint64) badPlace {
	t.Helper()
	s := servers.S3(t)
	bucket := s.Bucket(t)
	proxy, err := wan.NewProxy(s.Endpoint, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return badPlace{s3Place(t, s, proxy.URL(), bucket), s3Place(t, s, s.Endpoint, bucket), bucket, proxy}
}

// Whatever passes by itself is waited for and tried again: no command fails,
// nothing is lost, and nobody has to be asked.
func TestPassingFaultsAreBorne(t *testing.T) {
	const share = 0.05
	mixed := []wan.Rule{
		{Fault: wan.SlowDown, Share: share},
		{Fault: wan.ServerError, Share: share},
		{Fault: wan.LostAnswer, Share: share},
		{Fault: wan.Reset, Share: share},
		{Fault: wan.ResetDone, Share: share},
		{Fault: wan.CutUpload, Method: "PUT", Share: share},
		{Fault: wan.CutBody, Method: "GET", Share: share},
	}
	for name, rules := range map[string][]wan.Rule{
		"errors":            {{Fault: wan.SlowDown, Share: share}, {Fault: wan.ServerError, Share: share}},
		"lost answers":      {{Fault: wan.LostAnswer, Share: share}, {Fault: wan.ResetDone, Share: share}},
		"resets":            {{Fault: wan.Reset, Share: 2 * share}},
		"bodies cut":        {{Fault: wan.CutUpload, Method: "PUT", Share: 3 * share}, {Fault: wan.CutBody, Method: "GET", Share: 3 * share}},
		"bodies too short":  {{Fault: wan.ShortBody, Method: "GET", Path: "/data/", Share: 0.5}},
		"stalls":            {{Fault: wan.Stall, Share: share}, {Fault: wan.StallBody, Method: "GET", Share: share}},
		"everything":        mixed,
		"first puts refuse": {{Fault: wan.SlowDown, Method: "PUT", Count: 3}},
	} {
		for seed := range seeds() {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				t.Parallel()
				p := newBadPlace(t, seed)
				p.oursOptions = []string{"-o", "s3.stall=2s"}
				folder := makeFolder(t)
				p.sound.run(t, "init")
				p.faults.Set(rules...)
				p.run(t, "backup", folder)
				p.run(t, "check", "--read-data")
				wantRestored(t, p.run, folder)
				changeFolder(t, folder)
				p.run(t, "backup", folder)
				p.run(t, "forget", "--keep-last", "1", "--prune", "--max-unused", "0")
				wantRestored(t, p.run, folder)

				if len(p.faults.Injected()) == 0 {
					t.Errorf("of %v requests none met a fault", p.faults.Requests())
				}
				p.sound.runRestic(t, "check", "--read-data")
				wantRestored(t, p.sound.run, folder)
			})
		}
	}
}

// Bytes that are wrong on their way never become wrong files or a wrong
// verdict: commands say what is wrong, and the repository is as it was.
func TestWrongBytesAreLoud(t *testing.T) {
	p := newBadPlace(t, 1)
	folder := makeFolder(t)
	p.sound.run(t, "init")
	p.sound.run(t, "backup", folder)

	wrong := wan.Rule{Fault: wan.WrongBytes, Method: "GET", Path: "/data/"}
	p.faults.Set(wrong)
	if r := p.exits(t, 1, "check", "--read-data"); !strings.Contains(r.Output(), "damaged") {
		t.Errorf("check does not speak of damage: %s", r.Output())
	}
	wrong.Skip = 1 // the trees arrive
	p.faults.Set(wrong)
	target := t.TempDir()
	r := p.exits(t, 1, "restore", "latest", "--target", target)
	if !strings.Contains(r.Stderr, "large") || !strings.Contains(r.Stderr, "damaged") {
		t.Errorf("restore does not name what it could not restore: %s", r.Stderr)
	}
	if _, err := os.Stat(filepath.Join(target, folder, "large")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that cannot be restored whole is there (%v)", err)
	}
	p.faults.Set()
	p.run(t, "restore", "latest", "--target", target) // goes on from there
	if found := differences(t, folder, target); found != "" {
		t.Errorf("restored otherwise:\n%s", found)
	}
	p.sound.runRestic(t, "check", "--read-data")
}

// A line that drops all connections again and again only slows things down.
func TestLineDrops(t *testing.T) {
	s := servers.S3(t)
	link, err := wan.NewLink(strings.TrimPrefix(s.Endpoint, "http://"), wan.Options{RoundTrip: 10 * time.Millisecond, BitsPerSecond: 400e6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	p := s3Place(t, s, "http://"+link.Address(), s.Bucket(t))
	folder := makeFolder(t)
	p.run(t, "init")
	stop := make(chan struct{})
	dropping := make(chan struct{})
	go func() {
		defer close(dropping)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				link.Drop()
			}
		}
	}()
	p.run(t, "backup", folder)
	wantRestored(t, p.run, folder)
	close(stop)
	<-dropping
	p.run(t, "check", "--read-data")
	p.runRestic(t, "check", "--read-data")
}
