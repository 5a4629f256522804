package httpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/storage/internal/httpx"
)

// stall is long enough for a busy machine to answer in, and to be waited for.
const stall = 300 * time.Millisecond

func client(t *testing.T, o httpx.Options) *httpx.Transport {
	t.Helper()
	o.Stall = stall
	c, err := httpx.NewTransport(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func server(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestNoAnswerIsAStall(t *testing.T) {
	url := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := client(t, httpx.Options{}).RoundTrip(request(t, "GET", url, nil))
	wantStall(t, err)
}

func TestAnswerThatStopsIsAStall(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "some of it")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	resp, err := client(t, httpx.Options{}).RoundTrip(request(t, "GET", url, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if string(got) != "some of it" {
		t.Errorf("read %q before the stall", got)
	}
	wantStall(t, err)
}

func TestUploadNobodyTakesIsAStall(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts, and never reads
	_, err = client(t, httpx.Options{}).RoundTrip(request(t, "PUT", "http://"+l.Addr().String(), io.LimitReader(zeros{}, 64<<20)))
	wantStall(t, err)
}

func wantStall(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, httpx.ErrStalled) {
		t.Fatalf("err = %v, want a stall", err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v passes for the end of the context, which stops every retry", err)
	}
}

func TestOwnSlownessIsNoStall(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(make([]byte, 4<<20)) // more than the buffers between us hold
	})
	resp, err := client(t, httpx.Options{}).RoundTrip(request(t, "PUT", url, &pausing{left: 3}))
	if err != nil {
		t.Fatalf("a body that is slow to read: %v", err)
	}
	defer resp.Body.Close()
	pause()
	if n, err := io.Copy(io.Discard, resp.Body); n != 4<<20 || err != nil {
		t.Errorf("answer taken late: %d bytes, %v", n, err)
	}
}

func TestWaitForAConnectionIsNoStall(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 4<<20)) })
	c := client(t, httpx.Options{Connections: 1})
	first, err := c.RoundTrip(request(t, "GET", url, nil))
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	req := request(t, "GET", url, nil)
	go func() {
		resp, err := c.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		second <- err
	}()
	pause()
	io.Copy(io.Discard, first.Body)
	first.Body.Close()
	if err := <-second; err != nil {
		t.Errorf("second request: %v", err)
	}
}

func TestEndOfTheContextStaysOne(t *testing.T) {
	url := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	req := request(t, "GET", url, nil).WithContext(ctx)
	time.AfterFunc(stall/10, cancel)
	if _, err := client(t, httpx.Options{}).RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestTimeoutOfTheDialIsNoContextError(t *testing.T) {
	err := &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
	if got := httpx.HideContextErrors(err); errors.Is(got, context.DeadlineExceeded) || got.Error() != err.Error() {
		t.Errorf("%v still passes for the end of the context", got)
	}
}

func TestCertificates(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, httpx.PEM(s.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err := client(t, httpx.Options{CACertFile: file}).RoundTrip(request(t, "GET", s.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 1 {
		t.Errorf("HTTP/%d, want HTTP/1", resp.ProtoMajor)
	}

	_, err = httpx.NewTransport(httpx.Options{CACertFile: os.DevNull})
	if err == nil || !strings.Contains(err.Error(), os.DevNull) {
		t.Errorf("a file without certificates: %v, want an error that names it", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// pausing is a body that takes longer for each piece than a stall may take.
type pausing struct{ left int }

func (p *pausing) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	p.left--
	pause()
	return copy(b, "piece"), nil
}

func pause() { time.Sleep(stall * 3 / 2) }
