package wal

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
)

// What the server says of slots and WAL, as SQLSTATEs: a slot that is there
// already, one that was invalidated as it kept more than
// max_slot_wal_keep_size, WAL that is not there any more, and a slot that
// another connection has.
const (
	duplicateObject    = "42710"
	notInRequiredState = "55000"
	undefinedFile      = "58P01"
	objectInUse        = "55006"
	// slotsInUse is that of a server with no room for another slot.
	slotsInUse = "53400"
)

// ensureSlot makes the slot if it is not there, and finds out from where on it
// keeps WAL.
func (r *receiver) ensureSlot(ctx context.Context) error {
	if r.o.Slot == "" {
		return errors.New("no replication slot is named")
	}
	if r.o.Temporary {
		if err := r.makeSlot(ctx, "TEMPORARY"); err != nil {
			return err
		}
		_, err := r.readSlot(ctx)
		return err
	}
	there, err := r.readSlot(ctx)
	if r.hadSlot = there; err != nil || there {
		return err
	}
	r.madeSlot = true
	return r.makeSlot(ctx, "")
}

// dropSlot drops the slot, over a connection of its own.
func (o ReceiveOptions) dropSlot(ctx context.Context) error {
	conn, err := connect(ctx, o.DSN)
	if err != nil {
		return fmt.Errorf("drop the replication slot %s: %w", o.Slot, err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	if _, err := conn.Exec(ctx, "DROP_REPLICATION_SLOT "+postgres.QuoteIdentifier(o.Slot)+" WAIT").ReadAll(); err != nil {
		return fmt.Errorf("drop the replication slot %s, which keeps log for nobody: %w", o.Slot, err)
	}
	return nil
}

// renewSlot makes the slot anew when the server has invalidated it.
func (r *receiver) renewSlot(ctx context.Context) error {
	if r.kept != 0 || r.o.Temporary {
		return nil
	}
	if _, err := r.conn.Exec(ctx, "DROP_REPLICATION_SLOT "+postgres.QuoteIdentifier(r.o.Slot)).ReadAll(); err != nil {
		return fmt.Errorf("drop the replication slot %s, which the server has invalidated: %w", r.o.Slot, err)
	}
	return r.makeSlot(ctx, "")
}

// readSlot tells whether the slot is there, and from where on it keeps WAL.
func (r *receiver) readSlot(ctx context.Context) (there bool, err error) {
	results, err := r.conn.Exec(ctx, "READ_REPLICATION_SLOT "+postgres.QuoteIdentifier(r.o.Slot)).ReadAll()
	if err != nil {
		return false, fmt.Errorf("look for the replication slot %s: %w", r.o.Slot, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 2 || results[0].Rows[0][0] == nil {
		return false, nil
	}
	if restart := results[0].Rows[0][1]; restart != nil {
		if r.kept, err = postgres.ParseLSN(string(restart)); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (r *receiver) makeSlot(ctx context.Context, kind string) error {
	_, err := r.conn.Exec(ctx, fmt.Sprintf("CREATE_REPLICATION_SLOT %s %s PHYSICAL RESERVE_WAL", postgres.QuoteIdentifier(r.o.Slot), kind)).ReadAll()
	if hasCode(err, duplicateObject) {
		return nil // somebody was quicker
	}
	if hasCode(err, slotsInUse) {
		return fmt.Errorf("make the replication slot %s: %w; drop one that nobody reads (pg_drop_replication_slot), or raise max_replication_slots and restart the server", r.o.Slot, err)
	}
	if err != nil {
		return fmt.Errorf("make the replication slot %s: %w", r.o.Slot, err)
	}
	return nil
}

func hasCode(err error, code string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == code
}
