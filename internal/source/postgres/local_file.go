package postgres

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"holdfast/internal/postgres"
	"holdfast/internal/source"
)

// bufferBytes is how much of a file is read at once: whole pages, so that each
// can be judged before it is handed on.
const bufferBytes = 128 << 10

// readBuffers are used again: files come by the hundred thousand.
var readBuffers = sync.Pool{New: func() any { return new([bufferBytes]byte) }}

// localFile is the content of a file of the data directory, up to the length
// that it had when it was opened. More that is appended meanwhile is in the
// log, and so is what was cut off: a relation that is found shorter has zeros
// in its place, as pages never used.
type localFile struct {
	l        *Local
	ctx      context.Context // of the call that opened it
	name     string          // in the data directory
	place    string          // on this host
	file     source.File
	left     int64 // to be handed out
	relation bool
	check    *pageCheck // nil where there are no checksums

	buffer *[bufferBytes]byte
	ready  []byte // what of it is not handed out
	size   int64  // what was
	sum    uint32 // of that
	closed bool
}

// Read hands out what was read and checked.
func (f *localFile) Read(p []byte) (int, error) {
	if len(f.ready) > 0 {
		return f.handOut(p), nil
	}
	want := min(f.left, bufferBytes)
	if int64(len(p)) >= want { // as nearly always: nothing need be copied
		err := f.fill(p[:want])
		n := len(f.ready)
		f.ready = nil
		return n, err
	}
	if f.buffer == nil {
		f.buffer = readBuffers.Get().(*[bufferBytes]byte) //nolint:forcetypeassert // the pool holds nothing else
	}
	if err := f.fill(f.buffer[:want]); err != nil {
		return 0, err
	}
	return f.handOut(p), nil
}

func (f *localFile) handOut(p []byte) int {
	n := copy(p, f.ready)
	f.ready = f.ready[n:]
	return n
}

// fill reads the next pages, and has them ready.
func (f *localFile) fill(want []byte) error {
	if f.left == 0 {
		return io.EOF
	}
	if f.l.limiter != nil {
		if err := f.l.limiter.WaitN(f.ctx, len(want)); err != nil {
			return err
		}
	}
	n, err := io.ReadFull(f.file, want)
	switch {
	case err == nil:
		f.left -= int64(n)
	case err != io.EOF && err != io.ErrUnexpectedEOF: //nolint:errorlint // ReadFull returns them as they are
		return err
	case f.relation:
		clear(want[n:])
		n = len(want)
		f.left -= int64(n)
	default:
		if f.left = 0; n == 0 {
			return io.EOF
		}
	}
	f.ready = want[:n]
	if f.check != nil {
		if err := f.checkPages(); err != nil {
			f.ready = nil
			return err
		}
	}
	f.sum = crc32.Update(f.sum, castagnoli(), f.ready)
	f.size += int64(n)
	return nil
}

// Close notes what the file was, and lets go of it.
func (f *localFile) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	if f.left == 0 {
		f.l.add(summedFile{name: f.name, size: f.size, modified: f.file.Entry().ModTime.Time(), sum: f.sum})
	}
	if f.buffer != nil {
		readBuffers.Put(f.buffer)
		f.buffer, f.ready = nil, nil
	}
	defer f.l.reading.Done()
	return f.file.Close()
}

// pageCheck judges the pages of a file, in order.
type pageCheck struct {
	blockBytes int
	first      uint32 // the number of the file's first block in its relation
	done       uint32 // blocks judged
	start      postgres.LSN
}

// rereads and rereadPause say how often a page that looks bad is read again:
// the server may be writing it. Each write takes microseconds.
const (
	rereads     = 5
	rereadPause = 20 * time.Millisecond
)

// checkPages judges the pages in f.ready. A rest at the end of the file that
// is no whole page is none: the server does not count it either.
func (f *localFile) checkPages() error {
	c := f.check
	for at := 0; at+c.blockBytes <= len(f.ready); at += c.blockBytes {
		page := f.ready[at : at+c.blockBytes]
		if judgePage(page, c.first+c.done, c.start) == pageBad {
			state, err := f.readAgain(page, c.done)
			if err != nil {
				return err
			}
			if state == pageBad {
				f.l.noteDamage(f.name, c.first+c.done, page)
			}
		}
		c.done++
	}
	return nil
}

// readAgain reads a page anew until it is good, or has been read often enough.
func (f *localFile) readAgain(page []byte, block uint32) (pageState, error) {
	file, err := os.Open(f.place)
	if err != nil {
		if vanishedIsFine(err) == nil {
			return pageLater, nil // it goes away, and the log knows
		}
		return pageBad, fmt.Errorf("read a page again: %w", err)
	}
	defer file.Close()
	again := make([]byte, len(page))
	for n := range rereads {
		if n > 0 {
			select {
			case <-time.After(rereadPause):
			case <-f.ctx.Done():
				return pageBad, context.Cause(f.ctx)
			}
		}
		if _, err := file.ReadAt(again, int64(block)*int64(len(page))); err != nil {
			if err == io.EOF { //nolint:errorlint // ReadAt returns it as it is
				clear(page) // cut off meanwhile
				return pageGood, nil
			}
			return pageBad, fmt.Errorf("read a page again: %w", err)
		}
		if state := judgePage(again, f.check.first+block, f.check.start); state != pageBad {
			copy(page, again)
			return state, nil
		}
	}
	copy(page, again)
	return pageBad, nil
}
