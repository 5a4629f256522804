package restore

import (
	"crypto/sha256"
	"hash"
	"runtime"
	"sync"
	"sync/atomic"

	"holdfast/repository"
	"holdfast/repository/id"
)

// reader reads parts of files that are there. Its memory is reused.
type reader struct {
	buffers [2][]byte // of two parts that are hashed together
	sum     hash.Hash // of one that is hashed alone
	pair    repository.Hasher
	sums    []id.ID
	helpers []*reader // of this one, for long files
}

const (
	// readAtOnce is how much is read before it is hashed: what was read just now
	// is still in the processor's cache then.
	readAtOnce = 128 << 10
	// pairBytes is how large two parts may be together to be hashed at once.
	pairBytes = 1 << 20
	// maxHelpers bounds the memory for parts that are hashed side by side, and
	// each has so many parts to do that it is worth to begin.
	maxHelpers  = 3
	helperParts = 16
)

// compare tells which parts of a file are there already. What cannot be read is
// not.
func (r *reader) compare(from fileHandle, parts []part, want []id.ID) (right []bool) {
	right = make([]bool, len(parts))
	var taken atomic.Int64
	work := func(r *reader) {
		for {
			at := int(taken.Add(2)) - 2
			if at >= len(parts) {
				return
			}
			to := min(at+2, len(parts))
			r.compareTwo(from, parts[at:to], want[at:to], right[at:to])
		}
	}
	var helping sync.WaitGroup
	for _, h := range r.enlist(len(parts)) {
		helping.Go(func() { work(h) })
	}
	work(r)
	helping.Wait()
	return right
}

// enlist returns helpers for a file of so many parts.
func (r *reader) enlist(parts int) []*reader {
	n := min(runtime.GOMAXPROCS(0)-1, maxHelpers, parts/helperParts)
	for len(r.helpers) < n {
		r.helpers = append(r.helpers, new(reader))
	}
	return r.helpers[:n]
}

// compareTwo compares one or two parts.
func (r *reader) compareTwo(from fileHandle, parts []part, want []id.ID, right []bool) {
	if len(parts) == 2 && parts[0].length+parts[1].length <= pairBytes {
		contents := [2][]byte{r.room(0, parts[0]), r.room(1, parts[1])}
		if from.readAt(contents[0], parts[0].offset) == nil && from.readAt(contents[1], parts[1].offset) == nil {
			r.sums = r.pair.Of(r.sums, contents[:])
			right[0], right[1] = r.sums[0] == want[0], r.sums[1] == want[1]
			return
		}
	}
	for k, p := range parts {
		_, sum, err := r.read(from, p)
		right[k] = err == nil && sum == want[k]
	}
}

// read returns a part, until the next one is read, and its hash.
func (r *reader) read(from fileHandle, p part) ([]byte, id.ID, error) {
	if r.sum == nil {
		r.sum = sha256.New()
	}
	r.sum.Reset()
	content := r.room(0, p)
	for at := 0; at < len(content); {
		next := content[at:min(at+readAtOnce, len(content))]
		if err := from.readAt(next, p.offset+int64(at)); err != nil {
			return nil, id.ID{}, err
		}
		r.sum.Write(next) //nolint:errcheck // never fails
		at += len(next)
	}
	var sum id.ID
	r.sum.Sum(sum[:0])
	return content, sum, nil
}

func (r *reader) room(k int, p part) []byte {
	if len(r.buffers[k]) < int(p.length) {
		r.buffers[k] = make([]byte, p.length)
	}
	return r.buffers[k][:p.length]
}
