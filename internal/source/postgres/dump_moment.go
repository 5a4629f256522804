package postgres

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/postgres"
	"holdfast/internal/postgres/rowcount"
)

// heldMoment is the moment of a database that is being dumped, in which its
// rows are counted, too.
type heldMoment struct {
	*rowcount.Moment
	cancel  context.CancelFunc
	counted chan error
}

// hold holds the present moment of a database, and returns the name by which
// pg_dump, and all its jobs, come to see the same.
func (d *Dumps) hold(ctx context.Context, db *postgres.DumpedDatabase) (string, error) {
	m, err := rowcount.Open(ctx, d.o.DSN, db.Name)
	if err != nil {
		return "", err
	}
	db.Started = m.At
	ctx, cancel := context.WithCancel(ctx)
	d.moment = &heldMoment{m, cancel, make(chan error, 1)}
	if !d.o.CountRows {
		d.moment.counted <- nil
		return m.Exported, nil
	}
	go func() { d.moment.counted <- m.Count(ctx, rowcount.Limits{Unlogged: true}) }()
	return m.Exported, nil
}

// finishMoment waits until the rows are counted, and lets the moment go.
func (d *Dumps) finishMoment() error {
	m := d.moment
	if m == nil {
		return nil
	}
	err := <-m.counted
	m.cancel()
	m.Close()
	d.moment = nil
	if err != nil {
		err = fmt.Errorf("count the rows of database %s: %w", m.Name, err)
		if errors.Is(err, context.Canceled) || d.o.Warn == nil {
			return err
		}
		d.o.Warn(err.Error())
		m.Left = err.Error()
	}
	d.counts.Databases = append(d.counts.Databases, m.Database)
	return nil
}

// drop ends a count that nobody waits for any more.
func (m *heldMoment) drop() {
	if m != nil {
		m.cancel()
		<-m.counted
		m.Close()
	}
}
