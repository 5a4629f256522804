package restoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/evidence"
	"holdfast/internal/expect"
)

// Command is a command of the user's that looks at what came back.
type Command struct {
	// Name is what reports call it, Args the program and its arguments.
	Name string
	Args []string
	// Expect is what it must print; "" is content with anything. It must end
	// with status 0 in any case.
	Expect string
	// Timeout ends it; 0 is an hour.
	Timeout time.Duration
}

const (
	// defaultTimeout bounds a command: one that hangs would keep the restored
	// data there.
	defaultTimeout = time.Hour
	// maxOutput is how much of what a command prints is read, maxTold how much
	// of it is told.
	maxOutput = 1 << 20
	maxTold   = 500
)

// Sandbox runs commands apart from everything else.
type Sandbox struct {
	// Scratch is the only folder that they may write to.
	Scratch string
	// Memory bounds each of them in bytes; 0 does not.
	Memory int64
	// Program is this program: as root it is started anew, apart from the rest
	// of the system, and becomes the command (Enter). "" runs commands without.
	Program string
}

// Describe tells the record what keeps commands apart.
func (s *Sandbox) Describe(t *evidence.Target) {
	if s.apart() {
		t.Isolation = append(t.Isolation, "commands without a network, in namespaces of their own, where all but the scratch folder is read-only")
		return
	}
	t.Isolation = append(t.Isolation, "commands with the rights of this user: they are not kept apart further, which takes root on Linux")
}

// Run runs a command on what came back, and keeps how it went. restored is a
// folder, or how a server is reached.
func (s *Sandbox) Run(ctx context.Context, t *Test, c Command, restored string) error {
	want := "status 0"
	expectation, err := expect.Parse(c.Expect)
	if err != nil {
		return err
	}
	if c.Expect != "" {
		want = expectation.String()
	}
	answer, complaints, err := s.output(ctx, c, restored)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case err != nil:
		t.Check(c.Name, want, strings.TrimSpace(fmt.Sprintf("%v %s %s", err, told(answer), told(complaints))), false)
	case c.Expect == "":
		t.Check(c.Name, want, want, true)
	default:
		good, err := expectation.Holds(answer)
		if err != nil {
			answer, good = err.Error(), false
		}
		t.Check(c.Name, want, told(answer), good)
	}
	return nil
}

func told(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > maxTold {
		return "... " + strings.ToValidUTF8(text[len(text)-maxTold:], "")
	}
	return text
}

// output runs a command and returns what it printed, its complaints apart.
func (s *Sandbox) output(ctx context.Context, c Command, restored string) (answer, complaints string, err error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it took longer than %s", timeout))
	defer cancel()
	temporary := filepath.Join(s.Scratch, "tmp")
	if err := os.MkdirAll(temporary, 0o700); err != nil {
		return "", "", err
	}
	cmd, err := s.command(ctx, c.Args)
	if err != nil {
		return "", "", err
	}
	// Nothing of this process's environment: it may hold the way to production.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + temporary, "TMPDIR=" + temporary, "LC_ALL=C.UTF-8", "TZ=" + os.Getenv("TZ"), "HOLDFAST_RESTORED=" + restored}
	cmd.Dir = s.Scratch
	cmd.WaitDelay = 10 * time.Second
	out, complaint := &bounded{room: maxOutput}, &bounded{room: maxOutput}
	cmd.Stdout, cmd.Stderr = out, complaint
	err = cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return strings.TrimSpace(out.String()), strings.TrimSpace(complaint.String()), err
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	bytes.Buffer
	room int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.room-b.Len())
	b.Buffer.Write(p[:n])
	return len(p), nil
}

var errNoCommand = errors.New("there is no command")

func plainCommand(ctx context.Context, args []string) (*exec.Cmd, error) {
	if len(args) == 0 {
		return nil, errNoCommand
	}
	return exec.CommandContext(ctx, args[0], args[1:]...), nil
}
