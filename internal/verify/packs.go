package verify

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// packJob is a pack to be read, and asked for already.
type packJob struct {
	pack  id.ID
	state packState
	blobs []blob.Blob
	// One of the two is set.
	whole *repository.WholePack
	trees *repository.PackRead
}

// start asks for what is to be read of a pack.
func (c *checker) start(ctx context.Context, pack id.ID, blobs []blob.Blob) packJob {
	job := packJob{pack: pack, state: c.packs[pack], blobs: blobs}
	if job.state.read == wholePack {
		job.whole = c.r.StartWholePack(ctx, pack, job.state.sizeBytes)
		return job
	}
	trees := slices.DeleteFunc(slices.Clone(blobs), func(b blob.Blob) bool { return b.Type != blob.Tree })
	job.trees = c.r.StartPack(ctx, pack, trees)
	return job
}

func (j packJob) abandon() {
	if j.whole != nil {
		j.whole.Abandon()
	} else {
		j.trees.Abandon()
	}
}

// readPacks reads the packs that were chosen, in the order of their IDs, and
// looks into all trees on the way.
func (c *checker) readPacks(ctx context.Context, _ *Report) error {
	wanted := func(i id.ID) bool { return c.packs[i].read != nothing }
	jobs := make(chan packJob, repository.PacksAhead-1)
	// The lists of blobs go around: each worker has one, the others wait.
	spare := make(chan []blob.Blob, c.options.Workers+repository.PacksAhead)
	for range cap(spare) {
		spare <- nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(jobs)
		return c.r.Index().ByPack(gctx, wanted, func(pack id.ID, blobs []blob.Blob) error {
			select {
			case list := <-spare:
				jobs <- c.start(gctx, pack, append(list[:0], blobs...))
				return nil
			case <-gctx.Done():
				return context.Cause(gctx)
			}
		})
	})
	for range c.options.Workers {
		g.Go(func() error {
			w := newPackReader(c)
			var err error
			for job := range jobs {
				if err == nil {
					err = w.read(gctx, job)
				} else {
					job.abandon()
				}
				spare <- job.blobs
			}
			return err
		})
	}
	return g.Wait()
}

// packReader reads one pack after the other.
type packReader struct {
	c        *checker
	verifier *repository.PackVerifier
	trees    *treeReader

	// lost are the damaged blobs of the pack, firstReason what is wrong with
	// the first of them.
	lost        []blob.Blob
	firstReason string
}

func newPackReader(c *checker) *packReader {
	return &packReader{c: c, verifier: c.r.NewPackVerifier(), trees: newTreeReader(c.r.Index())}
}

// read reads one pack and records what is wrong with it.
func (w *packReader) read(ctx context.Context, job packJob) error {
	w.lost, w.firstReason = w.lost[:0], ""
	err := w.stream(job)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && !repository.IsCorrupt(err):
		w.c.loseAll(job.pack, Problem{Kind: UnreadableFile, Detail: err.Error()}, job.blobs)
	case err != nil || len(w.lost) > 0:
		w.judge(job, err)
	}
	p := w.c.options.Progress
	p.Packs.Add(1)
	p.Bytes.Add(uint64(job.state.sizeBytes)) //nolint:gosec // sizes are not negative
	return nil
}

func (w *packReader) stream(job packJob) error {
	if job.whole != nil {
		return w.verifier.VerifyStarted(job.whole, job.blobs, w.visit)
	}
	return job.trees.Each(w.visit)
}

// visit takes one blob of the pack.
func (w *packReader) visit(b blob.Blob, plain []byte, err error) error {
	if err != nil {
		if len(w.lost) == 0 {
			w.firstReason = reason(err)
		}
		w.lost = append(w.lost, b)
		return nil
	}
	// Once the snapshots will be walked, that looks into the trees better.
	if b.Type == blob.Tree && !w.c.suspect.Load() && !w.trees.isComplete(plain) {
		w.c.suspect.Store(true)
	}
	return nil
}

// judge records damage of a pack: err is what is wrong with the whole of it.
func (w *packReader) judge(job packJob, err error) {
	d := w.c.damageOf(job.pack)
	p := Problem{Kind: DamagedFile, Detail: w.firstReason}
	if onlyIndexDiffers(err) {
		p.Kind = IndexMismatch
		p.Detail = err.Error()
	} else {
		d.salvage = true
		if err != nil {
			p.Detail = reason(err)
		}
	}
	d.complain(w.c, p)
	for _, b := range w.lost {
		d.lose(w.c, b)
	}
}

// onlyIndexDiffers tells whether a pack is sound, and the index is not.
func onlyIndexDiffers(err error) bool {
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) && len(all.Unwrap()) > 1 {
		return false
	}
	return errors.Is(err, repository.ErrIndexMismatch)
}
