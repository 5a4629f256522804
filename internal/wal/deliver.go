package wal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
// should not, open the archive themselves: their restore_command takes a
// segment that was fetched ahead from Ready, or leaves it to be read where it was
// put (Look), and is Collect where there is none. Segments that follow are
// fetched meanwhile, so that recovery does not wait.
type Delivery struct {
	o        FetchOptions
	place    DeliveryPlace
	listener net.Listener
	ctx      context.Context // until Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	fetching chan struct{} // has one for each file that is fetched ahead now
	fetches  atomic.Uint64 // so many were begun

	mu      sync.Mutex
	files   map[string]*delivered // fetched ahead
	queue   []*delivered          // of those, what nobody fetches yet
	wants   wants
	reads   string    // what the server reads in its pg_wal, until it is noticed
	last    time.Time // when something was asked for or taken
	segment int64     // size of a segment, once one is there
}

// delivered is a file that is fetched, or being fetched.
type delivered struct {
	file postgres.FileName
	done chan struct{}
	err  error
	// placed is what was put into pg_wal, nil if nothing was; wanted tells that
	// the server may have read it there.
	placed os.FileInfo
	wanted bool
}

// NewDelivery serves the files of an archive until Close.
func NewDelivery(ctx context.Context, place DeliveryPlace, o FetchOptions) (*Delivery, error) {
	if o.Stream == "" {
		return nil, errors.New("deliver WAL: it is not said of which cluster")
	}
	if err := place.make(); err != nil {
		return nil, fmt.Errorf("deliver WAL: %w", err)
	}
	d := &Delivery{o: o, place: place, files: map[string]*delivered{}, fetching: make(chan struct{}, deliverAtOnce), wants: wants{path: place.wanted()}, last: time.Now()}
	var err error
	if d.listener, err = net.Listen("unix", place.Socket); err != nil {
		return nil, errors.Join(fmt.Errorf("deliver WAL: %w", err), place.remove())
	}
	if err := place.own(place.Socket); err != nil {
		return nil, errors.Join(fmt.Errorf("deliver WAL: %w", err), d.listener.Close(), place.remove())
	}
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.running.Go(d.accept)
	d.running.Go(d.watch)
	return d, nil
}

// Close ends the delivery.
func (d *Delivery) Close() error {
	d.cancel()
	err := d.listener.Close()
	d.running.Wait()
	for _, f := range d.files {
		d.withdraw(f)
	}
	return errors.Join(err, d.place.remove())
}

func (d *Delivery) accept() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.running.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(d.ctx, func() { conn.Close() })
			defer stop()
			d.answer(conn)
		})
	}
}

// answer serves one request: the name of a file on one line. The answer is
// one line, too: "file PATH", "end MESSAGE" or "stop MESSAGE".
func (d *Delivery) answer(conn net.Conn) {
	name, err := bufio.NewReader(io.LimitReader(conn, 256)).ReadString('\n')
	if err != nil {
		return
	}
	path, err := d.file(strings.TrimSpace(name))
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
	d.forgetTaken()
	d.passed(f)
	path, err := d.fetched(name)
	if err != nil {
		// Nothing was fetched ahead, or it failed: whether the file is there is
		// asked now, and never answered by what was so earlier.
		path = d.place.asked(name)
		err = d.bring(path, func(to string) error { return Fetch(d.ctx, name, to, d.o) })
	}
	if err != nil || f.Kind != postgres.SegmentFile {
		return path, err
	}
	if err := d.measure(path); err != nil {
		return "", err
	}
	d.ahead(f)
	return path, nil
}

// measure learns the size of segments from one.
func (d *Delivery) measure(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("deliver WAL: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.segment = info.Size()
	return nil
}

// bring fetches a file to a path, where it is there whole and durable, and the
// server's, or not at all.
func (d *Delivery) bring(path string, fetch func(to string) error) error {
	// Two that fetch the same file must not write to the same one.
	to := d.place.coming(strconv.FormatUint(d.fetches.Add(1), 10))
	if err := fetch(to); err != nil {
		return err
	}
	err := errors.Join(d.place.sync(to), d.place.own(to))
	if err == nil {
		err = os.Rename(to, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("deliver WAL: %w", err), os.Remove(to))
	}
	return nil
}

// errNotAhead says that a file was not fetched ahead.
var errNotAhead = errors.New("not fetched ahead")

// fetched waits for a file that is fetched ahead. Asked for again, it has to
// be fetched again: it is moved away.
func (d *Delivery) fetched(name string) (string, error) {
	d.mu.Lock()
	f, ok := d.files[name]
	d.mu.Unlock()
	if !ok {
		return "", errNotAhead
	}
	select {
	case <-f.done:
	case <-d.ctx.Done():
		return "", d.ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == f {
		delete(d.files, name)
	}
	if f.err != nil {
		return "", f.err
	}
	path := d.place.asked(name) // from here on it is for who asks now
	return path, os.Rename(d.place.ready(name), path)
}

// passed removes what recovery has passed, such as on a timeline that it left,
// what is far ahead after it went back, and what could not be had: it may be
// there by now.
func (d *Delivery) passed(at postgres.FileName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = time.Now()
	for name, f := range d.files {
		if at.Kind == postgres.SegmentFile && f.over() && (f.err != nil || !d.near(at, f)) {
			d.withdraw(f)
			delete(d.files, name)
		}
	}
}

// near tells whether a segment is the one asked for, or soon will be. One that
// was put into pg_wal may be asked for once more, at the end of the log.
func (d *Delivery) near(at postgres.FileName, f *delivered) bool {
	from, start := at.Start(d.segment), f.file.Start(d.segment)
	to := from + postgres.LSN(int64(d.depth())*d.segment)
	if f.placed != nil {
		start += postgres.LSN(d.segment)
	}
	return f.file.Timeline == at.Timeline && start >= from && start <= to
}

// withdraw takes back a segment that was fetched ahead, also from pg_wal if the
// server did not ask for it.
func (d *Delivery) withdraw(f *delivered) {
	name := f.file.String()
	os.Remove(d.place.ready(name)) //nolint:errcheck // it may never have been there
	if f.placed == nil {
		return
	}
	// In this order: see Look.
	if err := d.noteWanted(); err == nil && !f.wanted {
		d.place.takeBack(name, f.placed)
	}
}

// over tells whether nobody fetches it any more.
func (f *delivered) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// depth is how many segments are fetched ahead.
func (d *Delivery) depth() int {
	if d.o.SpoolBytes <= 0 {
		return deliverAhead
	}
	return int(min(deliverAhead, d.o.SpoolBytes/d.segment))
}

// ahead begins to fetch the segments after one.
func (d *Delivery) ahead(f postgres.FileName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.depth() {
		d.fetchAhead(postgres.SegmentAt(f.Timeline, f.Start(d.segment)+postgres.LSN(int64(k+1)*d.segment), d.segment))
	}
}

// fetchAhead begins to fetch a segment that is archived whole, unless that was
// begun before.
func (d *Delivery) fetchAhead(next postgres.FileName) {
	name := next.String()
	if _, ok := d.files[name]; ok {
		return
	}
	f := &delivered{file: next, done: make(chan struct{})}
	d.files[name] = f
	d.queue = append(d.queue, f)
	d.running.Go(d.fetchFirst)
}

// fetchFirst fetches the first of those that nobody fetches yet, for it is wanted
// first.
func (d *Delivery) fetchFirst() {
	select {
	case d.fetching <- struct{}{}:
		defer func() { <-d.fetching }()
	case <-d.ctx.Done():
	}
	d.mu.Lock()
	f := d.queue[0]
	d.queue = d.queue[1:]
	d.mu.Unlock()
	defer close(f.done)
	name := f.file.String()
	f.err = context.Cause(d.ctx)
	if f.err == nil {
		f.err = d.bring(d.place.ready(name), func(to string) error { return d.o.fetchAny(d.ctx, f.file, to, true) })
	}
	if f.err == nil {
		f.placed = d.place.put(name)
	}
}

// lookEvery is how often a Delivery looks what was taken: a small part of the
// time in which a server replays what lies ready.
const lookEvery = 20 * time.Millisecond

// watch goes on fetching when a server has taken a segment by itself, or reads
// one in its pg_wal.
func (d *Delivery) watch() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-tick.C:
		}
		last, ok := d.forgetTaken()
		if wanted, found := d.lastWanted(); found {
			last, ok = wanted, true
		}
		if ok {
			d.passed(last)
			d.ahead(last)
		}
	}
}

// forgetTaken forgets the segments that lie ready no longer, and returns the last of
// them.
func (d *Delivery) forgetTaken() (last postgres.FileName, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, f := range d.files {
		if !f.over() || f.err != nil {
			continue
		}
		if _, err := os.Lstat(d.place.ready(name)); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		delete(d.files, name)
		if !ok || name > last.String() {
			last, ok = f.file, true
		}
	}
	return last, ok
}

// lastWanted returns which segment the server has asked for last of those in its
// pg_wal, if it has asked for one since this was called before.
func (d *Delivery) lastWanted() (last postgres.FileName, ok bool) {
	if d.place.WAL == "" {
		return last, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.noteWanted() // if that fails, the server gets no more, and asks
	name := d.reads
	d.reads = ""
	if err == nil && name != "" {
		last, err = postgres.ParseFileName(name)
	}
	return last, err == nil && name != "" && last.Kind == postgres.SegmentFile
}

// noteWanted notes what the server has asked for of what is in its pg_wal.
func (d *Delivery) noteWanted() error {
	names, err := d.wants.more()
	for _, name := range names {
		d.reads = name
		if f := d.files[name]; f != nil {
			f.wanted = true
		}
	}
	return err
}

// idle returns for how long nothing was asked for or taken.
func (d *Delivery) idle() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.last)
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
