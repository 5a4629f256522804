package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// stream reads the one COPY stream in which the server sends the archives of
// a base backup, and its manifest: messages that begin an archive ('n'), the
// manifest ('m'), are data of either ('d') or report progress ('p')
// (documentation, "Streaming Replication Protocol", BASE_BACKUP).
type stream struct {
	ctx  context.Context // of the call that reads
	conn *pgconn.PgConn

	data  []byte     // what is left of the last message
	next  *archiveID // what the next archive is, once its message came
	ended bool       // the COPY has ended
	begun bool       // an archive is being read
	sends bool       // the first archive has begun
}

// archiveID says what an archive is.
type archiveID struct {
	manifest bool
	name     string
}

// receive returns the next message that matters; errors of the server are
// errors.
func (s *stream) receive() (pgproto3.BackendMessage, error) {
	for {
		message, err := s.conn.ReceiveMessage(s.ctx)
		if err != nil {
			return nil, s.cutShort(err)
		}
		switch m := message.(type) {
		case *pgproto3.ErrorResponse:
			return nil, s.failure(m)
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
			continue
		}
		return message, nil
	}
}

// failure returns the error of the server.
func (s *stream) failure(m *pgproto3.ErrorResponse) error {
	err := pgconn.ErrorResponseToPgError(m)
	if strings.HasPrefix(err.Code, operatorIntervention) {
		return s.cutShort(err)
	}
	if s.sends && err.Code == notInRequiredState { // a standby that was promoted
		return fmt.Errorf("the server gave the backup up, which therefore counts for nothing; run it again: %w", err)
	}
	return err
}

// operatorIntervention begins the SQLSTATEs of a server that is shut down or
// ends a session (57P01 to 57P05).
const operatorIntervention = "57P"

// cutShort says of a connection that has ended what that means.
func (s *stream) cutShort(err error) error {
	if s.ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("the server ended the connection before the backup was complete, which therefore counts for nothing; run it again: %w", err)
}

// nextArchive begins the next archive; nil after the last.
func (s *stream) nextArchive() (*archiveID, error) {
	for s.next == nil && !s.ended {
		if err := s.advance(); err != nil {
			return nil, err
		}
		if len(s.data) > 0 && !s.begun {
			return nil, errors.New("the server sends data before it says of what")
		}
		s.data = nil
	}
	next := s.next
	s.next, s.begun = nil, next != nil
	return next, nil
}

// advance reads one message of the COPY.
func (s *stream) advance() error {
	message, err := s.receive()
	if err != nil {
		return err
	}
	switch m := message.(type) {
	case *pgproto3.CopyData:
		return s.take(m.Data)
	case *pgproto3.CopyDone:
		s.ended = true
		return nil
	}
	return fmt.Errorf("the server sends a %T among the files", message)
}

func (s *stream) take(data []byte) error {
	if len(data) == 0 {
		return errors.New("the server sends an empty message")
	}
	switch data[0] {
	case 'n':
		name, _, ok := bytes.Cut(data[1:], []byte{0})
		if !ok {
			return errors.New("the server sends an archive without a name")
		}
		s.next, s.sends = &archiveID{name: string(name)}, true
	case 'm':
		s.next = &archiveID{manifest: true}
	case 'd':
		s.data = data[1:]
	case 'p':
	default:
		return fmt.Errorf("the server sends a message of type %q", data[0])
	}
	return nil
}

// Read reads the data of the archive that was begun, up to its end.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.data) == 0 {
		if s.next != nil || s.ended {
			return 0, io.EOF
		}
		if err := s.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// skip reads the rest of the archive: padding.
func (s *stream) skip() error {
	_, err := io.Copy(io.Discard, s)
	return err
}
