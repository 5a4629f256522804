package wan

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLineSendsAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := line{bytesPerSecond: 1000}
		start := time.Now()
		for n := range 5 {
			if got, want := l.send(100, start), start.Add(time.Duration(n+1)*100*time.Millisecond); !got.Equal(want) {
				t.Errorf("chunk %d has left after %s", n, got.Sub(start))
			}
		}
		// An idle line saves nothing up.
		later := start.Add(time.Hour)
		if got := l.send(100, later); got.Sub(later) != 100*time.Millisecond {
			t.Errorf("after a rest a chunk takes %s", got.Sub(later))
		}
		if got, want := l.usage(), (Usage{Bytes: 600, Busy: 600 * time.Millisecond}); got != want {
			t.Errorf("usage is %+v, want %+v", got, want)
		}
	})
}

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func link(t *testing.T, target string, o Options) *Link {
	t.Helper()
	l, err := NewLink(target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t *testing.T, l *Link) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", l.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func TestLinkDelays(t *testing.T) {
	const rtt = 40 * time.Millisecond
	c := dial(t, link(t, echo(t), Options{RoundTrip: rtt}))
	start := time.Now()
	for trip := range 3 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		// The first trip pays for the connection as well.
		if took, least := time.Since(start), time.Duration(trip+2)*rtt; took < least {
			t.Errorf("after trip %d %s have gone by, want %s", trip+1, took, least)
		}
	}
}

// Two connections share the rate, and what arrives is what was sent.
func TestLinkIsShared(t *testing.T) {
	const size, mbit = 1 << 20, 80
	l := link(t, echo(t), Options{BitsPerSecond: mbit * 1e6})
	start := time.Now()
	done := make(chan error, 2)
	for range cap(done) {
		c := dial(t, l)
		sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		go func() {
			_, _ = c.Write(sent)
			_ = c.CloseWrite()
		}()
		go func() {
			got, err := io.ReadAll(c)
			if err == nil && !bytes.Equal(got, sent) {
				err = errors.New("other bytes arrived")
			}
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	took := time.Since(start)
	least := time.Duration(2 * size * 8 * float64(time.Second) / (mbit * 1e6))
	if took < least-backlog {
		t.Errorf("it took %s, the rate wants %s", took, least)
	}
	if up := l.Up(); up.Bytes != 2*size || up.Busy < least-time.Millisecond || up.Share(took) > 1.1 {
		t.Errorf("usage is %+v, %.2f of the time", up, up.Share(took))
	}
}

func TestLinkDrops(t *testing.T) {
	l := link(t, echo(t), Options{})
	c := dial(t, l)
	roundTrip := func(c net.Conn) error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	if err := roundTrip(c); err != nil {
		t.Fatal(err)
	}
	l.Drop()
	if err := roundTrip(c); err == nil {
		t.Error("a dropped connection works")
	}
	if err := roundTrip(dial(t, l)); err != nil {
		t.Errorf("a new connection fails: %v", err)
	}
}

const content = "0123456789"

// service serves content and counts the requests that were done.
func service(t *testing.T) (url string, done *atomic.Int64) {
	t.Helper()
	done = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || int64(len(body)) != max(0, r.ContentLength) {
			return
		}
		done.Add(1)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = io.WriteString(w, content)
	}))
	t.Cleanup(s.Close)
	return s.URL, done
}

func proxy(t *testing.T, target string, rules ...Rule) *Proxy {
	t.Helper()
	p, err := NewProxy(target, 1, rules...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault  Fault
		status int    // 0: no answer
		body   string // what can be read of the answer
		broken bool   // reading the answer ends in an error
		done   bool   // the request was done
	}{
		{fault: SlowDown, status: 503},
		{fault: ServerError, status: 500},
		{fault: LostAnswer, status: 500, done: true},
		{fault: Reset},
		{fault: ResetDone, done: true},
		{fault: CutUpload},
		{fault: CutBody, status: 200, body: "01234", broken: true, done: true},
		{fault: StallBody, status: 200, body: "01234", broken: true, done: true},
		{fault: ShortBody, status: 200, body: "01234", done: true},
		{fault: WrongBytes, status: 200, body: "01234%6789", done: true},
		{fault: Stall},
		{fault: StallDone, done: true},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			target, done := service(t)
			p := proxy(t, target, Rule{Fault: c.fault})
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL(), strings.NewReader("request"))
			if err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			res, err := client.Do(req)
			if (err == nil) != (c.status != 0) {
				t.Fatalf("err = %v, want status %d", err, c.status)
			}
			if (done.Load() == 1) != c.done {
				t.Errorf("the request was done %d times", done.Load())
			}
			if got := p.Injected()[c.fault]; got != 1 {
				t.Errorf("%d faults are counted", got)
			}
			if err != nil {
				return
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if res.StatusCode != c.status || (err != nil) != c.broken || c.status == 200 && string(body) != c.body {
				t.Errorf("%s, %q, %v", res.Status, body, err)
			}
		})
	}
}

func TestRules(t *testing.T) {
	target, _ := service(t)
	p := proxy(t, target,
		Rule{Fault: SlowDown, Method: http.MethodPut},
		Rule{Fault: ServerError, Path: "/skip", Skip: 1, Count: 1},
		Rule{Fault: ServerError, Path: "/share", Share: 0.2},
	)
	status := func(method, path string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, p.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	if got := status(http.MethodPut, "/"); got != 503 {
		t.Errorf("PUT is answered %d", got)
	}
	for n, want := range []int{200, 500, 200} {
		if got := status(http.MethodGet, "/skip"); got != want {
			t.Errorf("request %d is answered %d, want %d", n, got, want)
		}
	}
	failed := 0
	for range 200 {
		if status(http.MethodGet, "/share") == 500 {
			failed++
		}
	}
	if failed < 20 || failed > 60 {
		t.Errorf("%d of 200 requests met a fault of a fifth", failed)
	}
	if got := p.Requests(); got[http.MethodGet] != 203 || got[http.MethodPut] != 1 {
		t.Errorf("requests: %v", got)
	}
}
