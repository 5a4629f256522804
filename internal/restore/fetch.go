package restore

import (
	"context"
	"errors"

	"holdfast/repository"
	"holdfast/repository/blob"
)

// order is what is needed of a pack, asked for and on its way.
type order struct {
	read   *repository.PackRead
	places []place
}

// ask begins to fetch what a plan needs.
func (r *restorer) ask(ctx context.Context, p *packPlan) order {
	p.inOrder()
	return order{r.repo.StartPack(ctx, p.pack, r.blobsOf(p)), p.places}
}

// fetch reads the blobs of a pack that are needed and writes them to their
// places. An error ends the restore.
func (r *restorer) fetch(ctx context.Context, o order) error {
	todo := o.places
	// next takes the places of the blob that the stream has come to.
	next := func() []place {
		n := 1
		for n < len(todo) && todo[n].position == todo[0].position {
			n++
		}
		places := todo[:n]
		todo = todo[n:]
		return places
	}
	err := o.read.Each(func(b blob.Blob, plain []byte, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		places := next()
		if err != nil {
			return r.fetchElsewhere(ctx, b, places, err)
		}
		return r.writeAll(places, plain)
	})
	if err == nil || isFatal(err) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for len(todo) > 0 {
		places := next()
		b := r.repo.Index().At(int(places[0].position))
		if err := r.fetchElsewhere(ctx, b, places, err); err != nil {
			return err
		}
	}
	return nil
}

// blobsOf returns the blobs of a plan in the order of its places.
func (r *restorer) blobsOf(p *packPlan) []blob.Blob {
	blobs := make([]blob.Blob, 0, len(p.places))
	for k := range p.places {
		if k == 0 || p.places[k].position != p.places[k-1].position {
			blobs = append(blobs, r.repo.Index().At(int(p.places[k].position)))
		}
	}
	return blobs
}

// fetchElsewhere gets a blob that could not be had where it was looked for
// from another place where it is stored, also another copy, or gives up the
// files that need it.
func (r *restorer) fetchElsewhere(ctx context.Context, b blob.Blob, places []place, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.repo.HasElsewhere() || len(r.repo.Index().LookupAll(nil, b.Handle)) > 1 {
		plain, err := r.repo.LoadBlob(ctx, b.Handle, nil)
		if err == nil {
			return r.writeAll(places, plain)
		}
		cause = errors.Join(cause, err)
	}
	for k := range places {
		if err := r.spoil(places[k].file, cause); err != nil {
			return err
		}
		r.partDone(places[k].file)
	}
	return nil
}

// writeAll writes a blob to all its places.
func (r *restorer) writeAll(places []place, plain []byte) error {
	for k := range places {
		f := places[k].file
		err := r.write(f, plain, places[k].offset)
		if err == nil {
			r.progress.BytesRestored.Add(uint64(len(plain)))
		} else if err := r.spoil(f, err); err != nil {
			return err
		}
		r.partDone(f)
	}
	return nil
}
