package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

const (
	// aliveEvery is how often a connection is asked whether it is alive.
	aliveEvery = 15 * time.Second
	// deadAfter is how long the SSH server may stay silent after a question:
	// routers that forgot a connection, cables that were pulled.
	deadAfter = 45 * time.Second
	// stalledAfter is how long the SFTP server may leave requests unanswered
	// while the SSH server lives. Flushing to a slow disk takes minutes.
	stalledAfter = 5 * time.Minute
)

// conn is one connection to the server.
type conn struct {
	sftp    *sftp.Client
	openSSH bool // the server is OpenSSH's
	// movesOpen tells that a file may be moved while it is open.
	movesOpen bool

	users int // operations under way; the pool's
	end   func()
	once  sync.Once
	cause error         // why it was lost; set before lost is closed
	lost  chan struct{} // closed when nothing more will come

	answered atomic.Int64 // when the SFTP server last sent something, Unix ns
}

// newConn greets the server. A connection that cannot be made is ended.
func newConn(ctx context.Context, rd io.Reader, wr io.WriteCloser, end func()) (*conn, error) {
	c := &conn{end: end, lost: make(chan struct{})}
	c.answered.Store(time.Now().UnixNano())
	stop := context.AfterFunc(ctx, end)
	client, err := sftp.NewClientPipe(&heard{rd, c}, &told{wr})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("speak SFTP: %w", err)
	}
	c.sftp = client
	go func() {
		err := client.Wait()
		c.fail(fmt.Errorf("the server ended the connection (%v)", err)) // %v: io.EOF must not pass for the end of a file
	}()
	return c, nil
}

// heard notes when the server last sent something.
type heard struct {
	io.Reader
	c *conn
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.c.answered.Store(time.Now().UnixNano())
	}
	return n, err
}

// told makes io.EOF, by which package ssh says that a connection is closed,
// an error that cannot pass for the end of a file or of a folder.
type told struct{ io.WriteCloser }

func (t *told) Write(p []byte) (int, error) {
	n, err := t.WriteCloser.Write(p)
	if errors.Is(err, io.EOF) {
		err = errClosed
	}
	return n, err
}

var errClosed = errors.New("connection closed")

// fail ends the connection; everything waiting on it fails.
func (c *conn) fail(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.lost)
		c.end()
	})
}

func (c *conn) isLost() bool {
	select {
	case <-c.lost:
		return true
	default:
		return false
	}
}

// explain tells why an operation failed on a connection that was lost.
func (c *conn) explain(err error) error {
	if err == nil || !c.isLost() {
		return err
	}
	return fmt.Errorf("%w: %w", err, c.cause)
}

// watch asks, until the connection is lost, whether it is alive: the SSH
// server, if there is one to ask, and the SFTP server behind it.
func (c *conn) watch(server *ssh.Client) {
	if server != nil {
		go c.askSSH(server)
	}
	go c.askSFTP()
}

// askSSH sends what OpenSSH's clients send, to which every server has some
// answer.
func (c *conn) askSSH(server *ssh.Client) {
	for c.pause(aliveEvery) {
		tooLate := time.AfterFunc(deadAfter, func() {
			c.fail(fmt.Errorf("the server was silent for %v", deadAfter))
		})
		_, _, err := server.SendRequest("keepalive@openssh.com", true, nil)
		tooLate.Stop()
		if err != nil {
			c.fail(fmt.Errorf("the connection broke (%v)", err))
		}
	}
}

// askSFTP makes sure that something has to come, and that it comes.
func (c *conn) askSFTP() {
	asking := make(chan struct{}, 1) // holds one question at most
	for c.pause(aliveEvery) {
		silent := time.Since(time.Unix(0, c.answered.Load()))
		if silent > stalledAfter {
			c.fail(fmt.Errorf("the server left requests unanswered for %v", silent.Round(time.Second)))
			return
		}
		if silent < aliveEvery {
			continue
		}
		select {
		case asking <- struct{}{}:
			go func() {
				c.sftp.RealPath(".") //nolint:errcheck // any answer is one
				<-asking
			}()
		default:
		}
	}
}

// pause waits, and tells whether the connection still lives.
func (c *conn) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.lost:
		return false
	}
}
