package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// connectTimeout bounds the way from nothing to a session that speaks SFTP:
// each handshake is some ten round trips.
const connectTimeout = 45 * time.Second

// dialer makes one more connection.
type dialer func(ctx context.Context) (*conn, error)

// dialer reads what there is to know about the server, once.
func (o *Options) dialer() (dialer, error) {
	if o.Command != "" {
		return func(ctx context.Context) (*conn, error) { return dialProgram(ctx, "sh", "-c", o.Command) }, nil
	}
	if o.Args != "" {
		args := o.sshArgs()
		return func(ctx context.Context) (*conn, error) { return dialProgram(ctx, "ssh", args...) }, nil
	}
	config, err := readSSHConfig(o.ConfigFile)
	if err != nil {
		return nil, err
	}
	t, err := config.target(o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*conn, error) { return dialSSH(ctx, t) }, nil
}

// sshArgs are the arguments for the program ssh.
func (o *Options) sshArgs() []string {
	args := strings.Fields(o.Args)
	if o.Port != 0 {
		args = append(args, "-p", strconv.Itoa(o.Port))
	}
	if o.User != "" {
		args = append(args, "-l", o.User)
	}
	return append(args, "-s", "--", o.Host, "sftp")
}

// dialSSH connects to t, through the servers on the way.
func dialSSH(ctx context.Context, t target) (_ *conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var hops []*ssh.Client
	defer func() {
		if err != nil {
			closeHops(hops)
		}
	}()
	through := (&net.Dialer{}).DialContext
	for _, next := range append(slices.Clip(t.jumps), t) {
		client, err := handshake(ctx, &next, through)
		if err != nil {
			return nil, hideContextErrors(ctx, fmt.Errorf("connect to %s: %w", next.address(), err))
		}
		hops = append(hops, client)
		through = client.DialContext
	}
	last := hops[len(hops)-1]
	rd, wr, err := subsystem(last)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: ask for SFTP: %w", t.address(), err)
	}
	c, err := newConn(ctx, rd, wr, func() { closeHops(hops) })
	if err != nil {
		return nil, hideContextErrors(ctx, fmt.Errorf("connect to %s: %w", t.address(), err))
	}
	c.openSSH = strings.Contains(string(last.ServerVersion()), "OpenSSH")
	c.movesOpen = c.openSSH && !strings.Contains(string(last.ServerVersion()), "Windows")
	c.watch(last)
	return c, nil
}

func closeHops(hops []*ssh.Client) {
	for _, h := range slices.Backward(hops) {
		h.Close()
	}
}

// handshake logs in to one server.
func handshake(ctx context.Context, t *target, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*ssh.Client, error) {
	keys, err := newHostKeys(t)
	if err != nil {
		return nil, err
	}
	login, err := t.identities.login()
	if err != nil {
		return nil, &TrustError{text: err.Error()}
	}
	defer login.close()

	conn, err := dial(ctx, "tcp", t.address())
	if err != nil {
		return nil, err
	}
	// The handshake knows no context.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, t.address(), &ssh.ClientConfig{
		User:              t.user,
		Auth:              login.methods(),
		HostKeyCallback:   keys.verify,
		HostKeyAlgorithms: keys.algorithms(),
	})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		var trust *TrustError
		switch {
		case errors.As(err, &trust):
			return nil, trust
		case strings.Contains(err.Error(), "unable to authenticate"): // the package has no type for it
			return nil, login.refused(t, err)
		}
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

func subsystem(client *ssh.Client) (io.Reader, io.WriteCloser, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, nil, err
	}
	rd, err := session.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	wr, err := session.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	return rd, wr, session.RequestSubsystem("sftp")
}

// dialProgram lets a program connect, which speaks SFTP with us.
func dialProgram(ctx context.Context, name string, args ...string) (*conn, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr // questions and complaints of ssh
	cmd.WaitDelay = time.Second
	wr, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	rd, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the program that connects: %w", err)
	}
	ended := make(chan struct{})
	end := func() {
		wr.Close()
		select {
		case <-ended:
		case <-time.After(2 * time.Second): // time to say goodbye
			cmd.Process.Kill()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := newConn(ctx, rd, wr, end)
	// Wait closes rd, so it must not run before all was read.
	go func() {
		if c != nil {
			<-c.lost
		}
		cmd.Wait() //nolint:errcheck // its words were printed, and its end is what counts
		close(ended)
	}()
	if err != nil {
		cmd.Process.Kill()
		return nil, hideContextErrors(ctx, fmt.Errorf("connect by %s: %w", name, err))
	}
	c.openSSH, c.movesOpen = false, false // a program can lead to any server
	c.watch(nil)
	return c, nil
}

// hideContextErrors makes the end of our own timeout an error that may be
// tried again: a deadline of the caller is one that may not.
func hideContextErrors(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New(err.Error())
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) && errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}
