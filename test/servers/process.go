package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/test/tools"
)

// readyWithin is how long a server may take to answer for the first time. On
// a loaded machine of two cores a second becomes many.
const readyWithin = time.Minute

// startTries is how often a server is started in all: another process may
// take the port between our choice and its start.
const startTries = 3

// process is a running server.
type process struct {
	name string
	dir  string        // the server's data; removed when the test process ends
	done chan struct{} // closed when the server has ended
	err  error         // how it ended; valid once done is closed
	cmd  *exec.Cmd
}

// server tells how one is started.
type server struct {
	tool    string // its name in package tools
	program string // its path, for one that is no tool
	// command returns the arguments and the additions to the environment.
	// dir is an empty folder for its data.
	command func(dir string, port int) (args, env []string)
	// ready returns nil once this very server answers.
	ready func(ctx context.Context, port int) error
}

// start runs the server until it answers, and returns the port it serves.
func start(s server) (*process, int, error) {
	program := s.program
	if program == "" {
		var err error
		if program, err = tools.Install(context.Background(), s.tool); err != nil {
			return nil, 0, err
		}
	}
	var failures []error
	for range startTries {
		port, err := freePort()
		if err != nil {
			return nil, 0, err
		}
		p, err := s.startOn(program, port)
		if err == nil {
			return p, port, nil
		}
		failures = append(failures, err)
	}
	return nil, 0, errors.Join(failures...)
}

func (s server) startOn(program string, port int) (*process, error) {
	p, err := newProcess(filepath.Base(program))
	if err != nil {
		return nil, err
	}
	args, env := s.command(filepath.Join(p.dir, "data"), port)
	if err := p.run(program, args, env); err != nil {
		p.stop()
		return nil, err
	}
	if err := p.await(func(ctx context.Context) error { return s.ready(ctx, port) }); err != nil {
		log := p.log(0)
		p.stop()
		return nil, fmt.Errorf("%s on port %d: %w\n%s", p.name, port, err, log)
	}
	return p, nil
}

// newProcess makes the folder of a server, and has it removed at the end.
func newProcess(name string) (*process, error) {
	dir, err := os.MkdirTemp("", "holdfast-server-"+name+"-")
	if err != nil {
		return nil, err
	}
	p := &process{name: name, dir: dir, done: make(chan struct{})}
	close(p.done) // not running yet
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o700), os.Mkdir(filepath.Join(dir, "tmp"), 0o700)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, removeAtExit(dir)
}

func (p *process) run(program string, args, env []string) error {
	log, err := os.Create(p.logFile())
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = append(environment(), append(env, "TMPDIR="+filepath.Join(p.dir, "tmp"), "HOME="+p.dir)...)
	p.cmd.Dir = p.dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := startBound(p.cmd); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.done = make(chan struct{})
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// environment is ours without what configures the servers, so that the
// settings of whoever runs the tests do not reach them.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MINIO_") && !strings.HasPrefix(v, "AZURITE_") && !strings.HasPrefix(v, "STORAGE_") {
			env = append(env, v)
		}
	}
	return env
}

// await returns when the server is ready, or has ended, or takes too long.
func (p *process) await(ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %w", p.err)
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// stop kills the server and removes its data.
func (p *process) stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = os.RemoveAll(p.dir) // what stays is removed at the end of this process
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

// maxLogBytes is how much of a log a failed test shows.
const maxLogBytes = 8 << 10

// log returns the end of what the server logged from an offset on.
func (p *process) log(from int64) string {
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	data = data[min(from, int64(len(data))):]
	data = data[max(0, len(data)-maxLogBytes):]
	return string(bytes.TrimSpace(data))
}

// showLogOf has a test that fails show what the server logged during it.
func (p *process) showLogOf(t testing.TB) {
	var from int64
	if info, err := os.Stat(p.logFile()); err == nil {
		from = info.Size()
	}
	t.Cleanup(func() {
		if t.Failed() {
			if log := p.log(from); log != "" {
				t.Logf("log of %s:\n%s", p.name, log)
			}
		}
	})
}

// shared is a server of which each test process has one.
type shared[S any] struct {
	once   sync.Once
	server S
	proc   *process
	err    error
}

// get returns the server, started on first use. Not having it fails the test:
// a skipped one would look like a passed one.
func (s *shared[S]) get(t testing.TB, begin func() (S, *process, error)) S {
	t.Helper()
	wantLinux(t)
	s.once.Do(func() { s.server, s.proc, s.err = begin() })
	if s.err != nil {
		t.Fatal(s.err)
	}
	s.proc.showLogOf(t)
	return s.server
}

func wantLinux(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the servers for tests run on Linux")
	}
}
