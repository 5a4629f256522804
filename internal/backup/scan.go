package backup

import (
	"context"

	"holdfast/internal/source"
)

// Scan counts what a backup of the source will go through: count is called
// with each file's size in bytes as it is found. It does nothing but list and
// stat, and passes over whatever cannot be read: the backup reports that.
func Scan(ctx context.Context, src source.Source, count func(sizeBytes int64)) error {
	top, err := src.Open(ctx)
	if err != nil {
		return err
	}
	return scan(ctx, top, count)
}

func scan(ctx context.Context, d source.Dir, count func(int64)) error {
	defer d.Close() //nolint:errcheck // never worth stopping for
	names, err := d.Names(ctx)
	if err != nil {
		return ctx.Err()
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := d.Stat(name)
		switch {
		case err != nil:
		case e.IsRegular():
			count(e.Size)
		case e.IsDir():
			if sub, err := d.Sub(e); err == nil {
				if err := scan(ctx, sub, count); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
