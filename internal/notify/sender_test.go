package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/ledger"
	"holdfast/internal/notify"
	"holdfast/internal/secret"
)

const token = "T0k3n-s3cr3t"

// receiver is a web server that keeps what it gets.
type receiver struct {
	*httptest.Server
	status int

	requests chan request
}

type request struct{ method, path, body string }

func receive(t *testing.T, status int) *receiver {
	t.Helper()
	r := &receiver{status: status, requests: make(chan request, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.requests <- request{req.Method, req.URL.RequestURI(), string(body)}
		w.WriteHeader(r.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": "1", "path": req.URL.Path})
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) request {
	t.Helper()
	select {
	case got := <-r.requests:
		return got
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing arrives")
		return request{}
	}
}

func send(t *testing.T, url string) error {
	t.Helper()
	s, err := notify.Dial(secret.New(url))
	if err != nil {
		return err
	}
	e := event.Event{Kind: event.RunFailed, Severity: event.Error, Plan: "shop", Summary: "backup of <shop> failed"}
	return s.Send(t.Context(), notify.Note{Title: "ERROR: " + e.Summary, Text: "plan: shop", Severity: e.Severity, Events: []event.Event{e}})
}

func TestAWebhookGetsTheEvents(t *testing.T) {
	r := receive(t, http.StatusAccepted)
	if err := send(t, r.URL+"/hook/"+token+"?key="+token); err != nil {
		t.Fatal(err)
	}
	got := r.next(t)
	var note struct {
		Version         int
		Title, Severity string
		Events          []event.Event
	}
	if err := json.Unmarshal([]byte(got.body), &note); err != nil {
		t.Fatal(err)
	}
	if got.method != "POST" || got.path != "/hook/"+token+"?key="+token || note.Severity != "error" || len(note.Events) != 1 || note.Events[0].Plan != "shop" {
		t.Errorf("got %+v", got)
	}
}

func TestSlackLikeWebhooks(t *testing.T) {
	r := receive(t, http.StatusOK)
	if err := send(t, "slack+"+r.URL+"/services/"+token); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); got.body != `{"text":"*ERROR: backup of \u0026lt;shop\u0026gt; failed*\nplan: shop"}` || got.path != "/services/"+token {
		t.Errorf("got %+v", got)
	}
}

func TestServicesOfShoutrrr(t *testing.T) {
	r := receive(t, http.StatusOK)
	host := strings.TrimPrefix(r.URL, "http://")
	if err := send(t, "ntfy://"+host+"/backups?scheme=http"); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); !strings.Contains(got.body, "backup of <shop> failed") || got.path != "/backups" {
		t.Errorf("got %+v", got)
	}
}

func TestMail(t *testing.T) {
	server := listenMail(t)
	url := fmt.Sprintf("smtp://%s/?from=holdfast@example.com&to=ops@example.com&auth=None&encryption=None&useStartTLS=no&usehtml=no", server.address)
	if err := send(t, url); err != nil {
		t.Fatal(err)
	}
	select {
	case mail := <-server.mails:
		for _, want := range []string{"RCPT TO:<ops@example.com>", "Subject: ERROR: backup of <shop> failed", "plan: shop"} {
			if !strings.Contains(mail, want) {
				t.Errorf("no %q in\n%s", want, mail)
			}
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("no mail arrives")
	}
}

// mailServer speaks as much SMTP as it takes to accept a mail.
type mailServer struct {
	address string
	mails   chan string // all that a client says
}

func listenMail(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{l.Addr().String(), make(chan string, 10)}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(c) })
		}
	})
	return s
}

func (s *mailServer) serve(c net.Conn) {
	defer c.Close()
	in, said := textproto.NewReader(bufio.NewReader(c)), &strings.Builder{}
	fmt.Fprint(c, "220 test\r\n")
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		fmt.Fprintln(said, line)
		switch command := strings.ToUpper(line); {
		case strings.HasPrefix(command, "EHLO"):
			fmt.Fprint(c, "250-test\r\n250 8BITMIME\r\n")
		case command == "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			text, _ := in.ReadDotBytes()
			said.Write(text)
			fmt.Fprint(c, "250 taken\r\n")
			s.mails <- said.String()
		case command == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

// Whatever goes wrong, no error shows what is secret in a URL.
func TestErrorsHideTokens(t *testing.T) {
	r := receive(t, http.StatusForbidden)
	host := strings.TrimPrefix(r.URL, "http://")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		r.URL + "/hook/" + token,
		r.URL + "/?key=" + token,
		"http://user:" + token + "@" + host + "/",
		"http://" + gone + "/" + token,
		"slack+" + r.URL + "/services/" + token,
		"slack+http://" + gone + "/" + token,
		"rocketchat://" + gone + "/" + token + "/" + token,
		"matrix://user:" + token + "@" + gone + "/?disableTLS=yes",
		"gotify://" + gone + "/" + token + "?disabletls=yes",
		"ntfy://user:" + token + "@" + gone + "/topic?scheme=http",
		"smtp://user:" + token + "@" + gone + "/?from=a@example.com&to=b@example.com",
		"slack://hook:" + token + "@webhook",
		"pushover://shoutrrr:" + token + "@",
		"opsgenie://" + gone + "/" + token,
		"telegram://" + token + "@telegram?chats=1",
		"nonsense://" + token,
		"discord://" + token,
		"no url at all " + token,
		"http://[" + token,
		"%zz" + token,
	} {
		err := send(t, url)
		if err == nil {
			t.Errorf("%s: no error", url)
			continue
		}
		if strings.Contains(err.Error(), token) {
			t.Errorf("the error shows the token: %v", err)
		}
	}
}

func TestPingsFollowABackup(t *testing.T) {
	r := receive(t, http.StatusOK)
	t.Setenv("PING", r.URL+"/ping/"+token+"?rid=1")
	var log bytes.Buffer
	p := notify.NewPinger(notify.Pings{"shop": {Env: "PING"}}, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for _, c := range []struct {
		event event.Event
		want  string
	}{
		{event.Event{Kind: event.RunStarted, Job: "copy", Plan: "shop"}, ""},
		{event.Event{Kind: event.RunStarted, Job: "backup", Plan: "www"}, ""},
		{event.Event{Kind: event.RunStarted, Job: "backup", Plan: "shop"}, "/start"},
		{event.Event{Kind: event.RunFailed, Job: "backup", Plan: "shop", Severity: event.Info}, ""}, // tried again
		{event.Event{Kind: event.RunFailed, Job: "backup", Plan: "shop", Severity: event.Warning}, "/fail"},
		{event.Event{Kind: event.RunSucceeded, Job: "backup", Plan: "shop", Over: true}, ""},
	} {
		p.Emit(c.event)
		if c.want == "" && c.event.Kind != event.RunSucceeded {
			continue
		}
		if got := r.next(t); got.path != "/ping/"+token+c.want+"?rid=1" {
			t.Errorf("%+v: got %s", c.event, got.path)
		}
	}
	// What waits at the end is called for.
	for _, kind := range []event.Kind{event.RunStarted, event.RunSucceeded} {
		p.Emit(event.Event{Kind: kind, Job: "backup", Plan: "shop"})
	}
	cancel()
	for _, want := range []string{"/start", ""} {
		if got := r.next(t); got.path != "/ping/"+token+want+"?rid=1" {
			t.Errorf("at the end: got %s", got.path)
		}
	}
	if err := <-done; err != nil || log.Len() > 0 {
		t.Errorf("%v, log %q", err, &log)
	}
}

func TestBeatTellsWhetherTheServiceIsWell(t *testing.T) {
	r := receive(t, http.StatusOK)
	t.Setenv("PING", r.URL+"/beat")
	for _, c := range []struct {
		well error
		want string
	}{{nil, "/beat"}, {io.ErrUnexpectedEOF, "/beat/fail"}} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- notify.Beat(ctx, secret.Ref{Env: "PING"}, func() error { return c.well }, slog.New(slog.DiscardHandler))
		}()
		if got := r.next(t); got.path != c.want {
			t.Errorf("got %s, want %s", got.path, c.want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// drawer keeps the notifier's state in a real ledger.
type drawer struct{ *ledger.Ledger }

func (d drawer) Save(ctx context.Context, key string, v any) error {
	_, err := d.Put(ctx, key, v, ledger.AnyRevision)
	return err
}

func (d drawer) Remove(ctx context.Context, key string) error { return d.Delete(ctx, key) }

func (d drawer) Each(ctx context.Context, prefix string, fn func(string, func(any) error) error) error {
	return d.List(ctx, prefix, func(key string, decode func(any) error, _ ledger.Revision) error { return fn(key, decode) })
}

// The real thing: the service ends before a message is delivered, and the
// next one delivers it.
func TestTheOutboxIsInTheLedger(t *testing.T) {
	r := receive(t, http.StatusOK)
	t.Setenv("HOOK", r.URL)
	dir := t.TempDir()
	c := notify.Config{Channels: map[string]notify.Channel{"ops": {URL: secret.Ref{Env: "HOOK"}}}, Default: []string{"ops"}}
	for _, emit := range []bool{true, false} {
		l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		n := notify.New(notify.Options{Config: c, Store: drawer{l}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if emit {
			n.Emit(failed("shop", event.Critical))
			cancel()
		}
		done := make(chan error)
		go func() { done <- n.Run(ctx) }()
		if !emit {
			if got := r.next(t); !strings.Contains(got.body, "backup of shop failed") {
				t.Errorf("got %+v", got)
			}
			cancel()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
