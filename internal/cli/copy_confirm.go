package cli

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"holdfast/internal/size"
	"holdfast/storage"
	"holdfast/storage/confirm"
)

// confirmFlags say how it is made sure that what is copied is there.
type confirmFlags struct{ readBack, noReadBack bool }

func (f *confirmFlags) register(fl *pflag.FlagSet) {
	fl.BoolVar(&f.readBack, "read-back", false, "read back everything that was copied, and keep a record of that there")
	fl.BoolVar(&f.noReadBack, "no-read-back", false, "read back nothing, also where nobody else has compared what arrived")
}

func (f *confirmFlags) check() error {
	if f.readBack && f.noReadBack {
		return errors.New("--read-back and --no-read-back exclude each other")
	}
	return nil
}

// confirming returns how the stores that are copied to confirm what they get.
func (f *confirmFlags) confirming() *confirm.How {
	how := confirm.Cheapest
	switch {
	case f.readBack:
		how = confirm.ReadBack
	case f.noReadBack:
		how = confirm.Told
	}
	return &how
}

// confirmed tells how it is known that what was copied is there.
type confirmed struct {
	// CheckedBy is the checksum by which the service has compared what it
	// stored of the checked files; others were read again and hashed.
	CheckedBy        string `json:"checked_by,omitempty"`
	FilesChecked     uint64 `json:"files_checked"`
	BytesChecked     uint64 `json:"bytes_checked"`
	FilesReadBack    uint64 `json:"files_read_back"`
	BytesReadBack    uint64 `json:"bytes_read_back"`
	PacksReadBack    uint64 `json:"packs_read_back"`
	FilesUnconfirmed uint64 `json:"files_unconfirmed"` // for --no-read-back only
}

// add counts what a store has confirmed.
func (m *confirmed) add(s storage.Store) {
	c, ok := storage.As[*confirm.Store](s)
	if !ok {
		return
	}
	r := c.Receipt()
	m.CheckedBy = firstOf(m.CheckedBy, r.Checksum)
	m.FilesChecked += r.Checked.Count
	m.BytesChecked += r.Checked.Bytes
	m.FilesReadBack += r.ReadBack.Count
	m.BytesReadBack += r.ReadBack.Bytes
	m.PacksReadBack += r.PacksReadBack.Count
	m.FilesUnconfirmed += r.Unconfirmed.Count
}

// tellConfirmed tells how what was copied is known to be there.
func (c *command) tellConfirmed(m confirmed) {
	files := func(n uint64) string { return countOf(int(n), "file") } //nolint:gosec // counts
	if m.FilesChecked > 0 {
		c.ui.infof("verified there: %s (%s) by the service, which compared the %s of what it stored", files(m.FilesChecked), size.FormatBytes(m.BytesChecked), m.CheckedBy)
	}
	if m.FilesReadBack > 0 {
		c.ui.infof("verified there: %s (%s) read back and hashed", files(m.FilesReadBack), size.FormatBytes(m.BytesReadBack))
	}
	if m.FilesUnconfirmed > 0 {
		c.ui.infof("not verified there: %s, which nobody has compared", files(m.FilesUnconfirmed))
	}
}

// openConfirming opens a store that is copied to.
func (c *command) openConfirming(ctx context.Context, to place, create bool, f *copyFlags) (storage.Store, error) {
	writing := *c
	writing.confirming = f.confirm.confirming()
	return writing.openStore(ctx, to, create)
}
