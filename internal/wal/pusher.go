package wal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"holdfast/internal/logarchive"
)

// pusher archives files of pg_wal, and those that follow before they are asked
// for. Each is begun once, in the order of the log.
type pusher struct {
	o     PushOptions
	ctx   context.Context // of the uploads, which go on when a push has ended
	ap    *appenders
	turn  sync.Mutex // held by whoever begins to archive a file
	ahead sync.Mutex // held by whoever looks for what follows

	adopted sync.Map // restored servers that may archive, by their marks

	mu    sync.Mutex
	files map[string]*pushed // by path
	order []string           // of files, oldest first
}

// pushed is a file that is archived, or on its way.
type pushed struct {
	info    os.FileInfo
	segment logarchive.Segment
	begun   time.Time
	done    chan struct{}
	err     error
	pending *pending
}

func newPusher(ctx context.Context, o PushOptions) (*pusher, error) {
	ap, err := o.newAppenders(max(o.Uploads, 1))
	if err != nil {
		return nil, err
	}
	return &pusher{o: o, ctx: ctx, ap: ap, files: map[string]*pushed{}}, nil
}

// push returns when the file is archived, or let go. mark tells that those which
// follow may be marked as archived.
func (p *pusher) push(ctx context.Context, path string, mark bool) error {
	f, err := p.begin(path, true)
	if err != nil {
		return err
	}
	go p.goAhead(path, f)
	if err = p.o.await(ctx, path, f); err != nil {
		return fmt.Errorf("push %s: %w", f.segment.Name, ofOtherCourse(err))
	}
	p.saveLosses(f)
	if mark {
		p.markAhead(ctx, path, f)
	}
	return nil
}

// saveLosses has the archives note what was let go, once they can be written
// to again. It is tried at each segment, and nobody waits for it.
func (p *pusher) saveLosses(f *pushed) {
	select {
	case <-f.done:
	default:
		return // it was let go itself
	}
	if f.err != nil || p.o.Losses == nil {
		return
	}
	if err := p.o.Losses.save(p.ctx, p.o.Archives, p.o.Noted); err != nil && p.o.Lagging != nil {
		p.o.Lagging("note of log that was let go", err)
	}
}

// begin begins to archive a file, unless that was begun before. asked tells that
// the server wants it archived, and so that it is done with all before it.
func (p *pusher) begin(path string, asked bool) (*pushed, error) {
	if f := p.known(path); f != nil {
		return f, nil
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	if f := p.known(path); f != nil {
		return f, nil
	}
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("push: %w", err)
	}
	if err := errors.Join(p.allowed(path, file.segment.Stream), p.continues(path, file.segment)); err != nil {
		return nil, errors.Join(fmt.Errorf("push %s: %w", file.segment.Name, err), file.Close())
	}
	if asked {
		p.ap.goOn(file.segment.Line, file.segment.Start)
	}
	f := &pushed{info: info, segment: file.segment, begun: time.Now(), done: make(chan struct{})}
	f.pending = p.ap.begin(p.ctx, file.segment, file)
	go func() {
		f.err = f.pending.wait(p.ctx)
		close(f.done)
		f.pending.settle(p.ctx)
		file.Close() //nolint:errcheck // it was only read
	}()
	p.remember(path, f)
	return f, nil
}

// known returns a file that was begun, has not failed, and still is what it
// was; nil if there is none.
func (p *pusher) known(path string) *pushed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[path]; f != nil && f.still(path) {
		return f
	}
	return nil
}

// still tells whether a file is the one that was begun, and has not failed.
// The server gives its files new names and writes new WAL over the old.
func (f *pushed) still(path string) bool {
	select {
	case <-f.done:
		if f.err != nil {
			return false
		}
	default:
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, f.info) && info.ModTime().Equal(f.info.ModTime()) && info.Size() == f.info.Size()
}

// remembered bounds the files that a pusher knows of.
const remembered = 256

func (p *pusher) remember(path string, f *pushed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[path] = f
	p.order = append(p.order, path)
	if len(p.order) > remembered {
		delete(p.files, p.order[0])
		p.order = p.order[1:]
	}
}

// goAhead begins to archive the segments that wait behind one for their turn.
// It looks for them again when half of those begun have been asked for.
func (p *pusher) goAhead(path string, f *pushed) {
	if !p.ahead.TryLock() {
		return // somebody is at it
	}
	defer p.ahead.Unlock()
	if !p.shouldLook(f) {
		return
	}
	waiting, err := waitingAfter(path, p.o.Ahead)
	if err != nil {
		return // each is pushed when its turn comes, and then it tells
	}
	for _, name := range waiting {
		if _, err := p.begin(filepath.Join(filepath.Dir(path), name), false); err != nil || p.ctx.Err() != nil {
			return
		}
	}
}

// shouldLook tells whether few files are begun ahead of one.
func (p *pusher) shouldLook(f *pushed) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ahead := 0
	for _, other := range p.files {
		if other.segment.Line == f.segment.Line && other.segment.Start > f.segment.Start {
			ahead++
		}
	}
	return ahead <= p.o.Ahead/2
}

// settle lets what is on its way arrive: slower archives, and files that were
// not asked for yet. What went wrong with those is told when they are.
func (p *pusher) settle(ctx context.Context, within time.Duration) {
	p.ahead.Lock()
	defer p.ahead.Unlock()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.files {
		f.pending.settle(ctx)
	}
}
