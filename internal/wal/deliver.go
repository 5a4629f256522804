package wal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"holdfast/internal/postgres"
)

// deliverAhead is how many segments are fetched before they are asked for, and
// deliverAtOnce how many of them side by side.
const (
	deliverAhead  = 8
	deliverAtOnce = 4
)

// Delivery hands archived files to servers on this host that could not, or
// should not, open the archive themselves: their restore_command is Collect.
// Segments that follow are fetched meanwhile, so that recovery does not wait.
type Delivery struct {
	o        FetchOptions
	dir      string
	listener net.Listener
	ctx      context.Context // until Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	fetching chan struct{} // has one for each file that is fetched ahead now

	mu    sync.Mutex
	files map[string]*delivered // fetched ahead
	last  time.Time             // when something was asked for
}

// delivered is a file that is fetched, or being fetched.
type delivered struct {
	path string
	done chan struct{}
	err  error
}

// NewDelivery serves the files of an archive at a socket in dir, where it
// keeps them for a moment. own gives a path to the user who collects.
func NewDelivery(ctx context.Context, dir string, o FetchOptions, own func(path string) error) (*Delivery, error) {
	if o.Stream == "" {
		return nil, errors.New("deliver WAL: it is not said of which cluster")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("deliver WAL: %w", err)
	}
	d := &Delivery{o: o, dir: dir, files: map[string]*delivered{}, fetching: make(chan struct{}, deliverAtOnce), last: time.Now()}
	var err error
	if d.listener, err = net.Listen("unix", d.Socket()); err != nil {
		return nil, fmt.Errorf("deliver WAL: %w", err)
	}
	for _, path := range []string{dir, d.Socket()} {
		if err := own(path); err != nil {
			return nil, errors.Join(fmt.Errorf("deliver WAL: %w", err), d.listener.Close())
		}
	}
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.running.Go(func() { d.accept(own) })
	return d, nil
}

// Socket is where Collect asks.
func (d *Delivery) Socket() string { return filepath.Join(d.dir, socketName) }

const socketName = "wal.socket"

// Close ends the delivery.
func (d *Delivery) Close() error {
	d.cancel()
	err := d.listener.Close()
	d.running.Wait()
	return errors.Join(err, os.RemoveAll(d.dir))
}

func (d *Delivery) accept(own func(string) error) {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.running.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(d.ctx, func() { conn.Close() })
			defer stop()
			d.answer(conn, own)
		})
	}
}

// answer serves one request: the name of a file on one line. The answer is
// one line, too: "file PATH", "end MESSAGE" or "stop MESSAGE".
func (d *Delivery) answer(conn net.Conn, own func(string) error) {
	name, err := bufio.NewReader(io.LimitReader(conn, 256)).ReadString('\n')
	if err != nil {
		return
	}
	name = strings.TrimSpace(name)
	path, err := d.file(name)
	if err == nil {
		err = own(path)
	}
	line := "file " + path
	switch {
	case errors.Is(err, ErrEnd):
		line = "end " + err.Error()
	case err != nil:
		line = "stop " + err.Error()
	}
	fmt.Fprintln(conn, strings.ReplaceAll(line, "\n", "; ")) //nolint:errcheck // whoever asked is gone
}

// file returns where a file is, once it is there, and begins to fetch those
// that follow.
func (d *Delivery) file(name string) (string, error) {
	f, err := postgres.ParseFileName(name)
	if err != nil {
		return "", err
	}
	d.asked(f)
	path, err := d.fetched(name)
	if err != nil {
		// Nothing was fetched ahead, or it failed: whether the file is there is
		// asked now, and never answered by what was so earlier.
		path = filepath.Join(d.dir, name)
		err = Fetch(d.ctx, name, path, d.o)
	}
	if err == nil && f.Kind == postgres.SegmentFile {
		d.ahead(f, path)
	}
	return path, err
}

// errNotAhead says that a file was not fetched ahead.
var errNotAhead = errors.New("not fetched ahead")

// fetched waits for a file that is fetched ahead. Asked for again, it has to
// be fetched again: it is moved away.
func (d *Delivery) fetched(name string) (string, error) {
	d.mu.Lock()
	f, ok := d.files[name]
	delete(d.files, name)
	d.mu.Unlock()
	if !ok {
		return "", errNotAhead
	}
	select {
	case <-f.done:
		return f.path, f.err
	case <-d.ctx.Done():
		return "", d.ctx.Err()
	}
}

// asked removes what recovery has passed, such as on a timeline that it left.
func (d *Delivery) asked(f postgres.FileName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = time.Now()
	for name, ahead := range d.files {
		if f.Kind != postgres.SegmentFile || name >= f.String() && name[:timelineDigits] == f.String()[:timelineDigits] {
			continue
		}
		select {
		case <-ahead.done:
			delete(d.files, name)
			os.Remove(ahead.path) //nolint:errcheck // it may never have been there
		default:
		}
	}
}

// ahead begins to fetch the segments after one.
func (d *Delivery) ahead(f postgres.FileName, path string) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	at, n := f.Start(info.Size()), int64(deliverAhead)
	if d.o.SpoolBytes > 0 {
		n = min(n, d.o.SpoolBytes/info.Size())
	}
	for k := 1; k <= int(n); k++ {
		next := postgres.SegmentAt(f.Timeline, at+postgres.LSN(int64(k)*info.Size()), info.Size())
		d.fetchAhead(next)
	}
}

// fetchAhead begins to fetch a segment that is archived whole, unless that was
// begun before.
func (d *Delivery) fetchAhead(next postgres.FileName) {
	name := next.String()
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.files[name]; ok {
		return
	}
	f := &delivered{path: filepath.Join(d.dir, name), done: make(chan struct{})}
	d.files[name] = f
	d.running.Go(func() {
		defer close(f.done)
		select {
		case d.fetching <- struct{}{}:
			defer func() { <-d.fetching }()
			f.err = d.o.fetchAny(d.ctx, next, f.path, true)
		case <-d.ctx.Done():
			f.err = d.ctx.Err()
		}
	})
}

// WaitIdle returns when nothing was asked for during a time, or ctx ends.
func (d *Delivery) WaitIdle(ctx context.Context, during time.Duration) {
	for {
		d.mu.Lock()
		left := during - time.Since(d.last)
		d.mu.Unlock()
		if left <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(left):
		}
	}
}

// collectWithin bounds how long Collect waits for an answer.
const collectWithin = time.Hour

// Collect gets a file from a Delivery: the other half of it, run by the server
// as its restore_command. Errors are those of Fetch, and ErrNobody when nobody
// delivers there.
func Collect(ctx context.Context, socket, name, path string) error {
	ctx, cancel := context.WithTimeout(ctx, collectWithin)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("fetch %s: %w: %w", name, ErrNobody, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintln(conn, name); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("fetch %s: %w: no answer: %w", name, ErrNobody, err)
	}
	verdict, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch verdict {
	case "file":
		return move(rest, path)
	case "end":
		return fmt.Errorf("%s: %w", rest, ErrEnd)
	}
	return fmt.Errorf("fetch %s: %s", name, rest)
}

// move renames a file, or copies it where it lies on another disk.
func move(from, to string) error {
	if os.Rename(from, to) == nil {
		return nil
	}
	err := writeWhole(to, func(w io.Writer) error {
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
	if err != nil {
		return err
	}
	return os.Remove(from)
}
