package rowcount

import (
	"encoding/binary"
	"fmt"

	"holdfast/internal/postgres"
)

// ended is what the log says of a transaction that was committed.
type ended struct {
	// at is where its record begins: a recovery that stops right before it
	// does not have the transaction, all others do.
	at postgres.LSN
	// xid is its number without the epoch; 0 is one that was prepared before,
	// whose record says elsewhere which it is.
	xid uint32
}

// records finds the commits in a part of the log that begins with a record.
// The layout is that of access/xlogrecord.h and access/xlog_internal.h.
type records struct {
	at       postgres.LSN // of the next byte
	header   int          // bytes of the present page's header
	blank    bool         // nothing more is on this page
	head     []byte       // of the present record, as far as it has come
	begin    postgres.LSN // of the present record
	previous postgres.LSN // where the one before began; 0 is not known
	left     int          // bytes of the present record after its head
	found    func(ended)
}

const (
	recordHead  = 24 // sizeof(XLogRecord)
	recordAlign = 8
	longPage    = 2 // XLP_LONG_HEADER

	transactions   = 1 // RM_XACT_ID
	outcome        = 0x70
	commit         = 0x00
	commitPrepared = 0x30
)

// feed reads on.
func (r *records) feed(b []byte) error {
	for len(b) > 0 {
		n, err := r.step(b)
		if err != nil {
			return err
		}
		r.at += postgres.LSN(n) //nolint:gosec // a length
		b = b[n:]
	}
	return nil
}

// step reads the next thing that lies in one piece, or a part of it, and
// returns its length.
func (r *records) step(b []byte) (int, error) {
	offset := int(r.at % walPageBytes)
	switch {
	case offset == 0:
		r.header, r.blank = shortHeader, false
		return min(2, len(b)), nil
	case offset == 1:
		return 1, nil
	case offset == 2:
		if b[0]&longPage != 0 {
			r.header = longHeader
		}
		return 1, nil
	case offset < r.header:
		return min(r.header-offset, len(b)), nil
	}
	here := min(walPageBytes-offset, len(b))
	switch padding := (recordAlign - offset%recordAlign) % recordAlign; {
	case r.blank:
		return here, nil
	case r.left > 0:
		n := min(r.left, here)
		r.left -= n
		return n, nil
	case len(r.head) == 0 && padding > 0:
		return min(padding, here), nil
	}
	if len(r.head) == 0 {
		r.begin = r.at
	}
	n := min(recordHead-len(r.head), here)
	r.head = append(r.head, b[:n]...)
	return n, r.readHead()
}

// readHead looks at the head of a record when it is there.
func (r *records) readHead() error {
	if len(r.head) >= 4 && binary.LittleEndian.Uint32(r.head) == 0 {
		// The rest of a segment that was ended early.
		r.head, r.blank = r.head[:0], true
		return nil
	}
	if len(r.head) < recordHead {
		return nil
	}
	length, previous := binary.LittleEndian.Uint32(r.head), postgres.LSN(binary.LittleEndian.Uint64(r.head[8:]))
	if length < recordHead || r.previous != 0 && previous != r.previous {
		return fmt.Errorf("what the log has at %s is no record that follows the one at %s", r.begin, r.previous)
	}
	if kind, info := r.head[17], r.head[16]&outcome; kind == transactions {
		switch info {
		case commit:
			r.found(ended{at: r.begin, xid: binary.LittleEndian.Uint32(r.head[4:])})
		case commitPrepared:
			r.found(ended{at: r.begin})
		}
	}
	r.previous, r.left, r.head = r.begin, int(length)-recordHead, r.head[:0]
	return nil
}
