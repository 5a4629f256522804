package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/objective"
)

// backend answers everything with a value of which every field is set, or with
// one of which none is, and with err if that is set.
type backend struct {
	Backend

	empty bool
	err   error

	mu      sync.Mutex
	changed func(Update)
	calls   []string
	body    any // what the last act was given
}

// answer makes what a method answers with.
func answer[T any](b *backend) (v T, err error) {
	if b.err != nil {
		return v, b.err
	}
	if v := reflect.ValueOf(&v).Elem(); b.empty && v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		switch v := v.Interface().(type) { // these always have one
		case *Plan:
			v.Verdict = Unknown
		case *Report:
			v.Plan.Verdict = Unknown
		}
	} else if !b.empty {
		fill(v)
	}
	return v, nil
}

// fill sets all there is in a value.
func fill(v reflect.Value) {
	switch field := v.Addr().Interface().(type) {
	case *time.Time:
		*field = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
		return
	case *json.RawMessage:
		*field = json.RawMessage(`{"a":1}`)
		return
	case *Verdict:
		*field = AtRisk
		return
	case *objective.State:
		*field = objective.Met
		return
	case *event.Severity:
		*field = event.Critical
		return
	case *Month:
		*field = Month{2026, 11}
		return
	case *Role:
		*field = RoleViewer
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("<b>ü\"\n\x00\u202e")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(7.5)
	default:
		panic(v.Type())
	}
}

func (b *backend) did(what string, body any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, what)
	b.body = body
	return b.err
}

func (b *backend) Service(context.Context) (*Service, error)        { return answer[*Service](b) }
func (b *backend) Plans(context.Context) ([]Plan, error)            { return answer[[]Plan](b) }
func (b *backend) Plan(context.Context, string) (*Plan, error)      { return answer[*Plan](b) }
func (b *backend) Jobs(context.Context) ([]Job, error)              { return answer[[]Job](b) }
func (b *backend) Runs(context.Context, RunQuery) (*RunPage, error) { return answer[*RunPage](b) }

func (b *backend) Run(context.Context, string) (*Run, error) { return answer[*Run](b) }

func (b *backend) RunLog(_ context.Context, _ string, offset int64, w io.Writer) (int64, error) {
	const text = "line one\n<script>alert(1)</script>\n"
	if b.err != nil {
		return offset, b.err
	}
	n, err := io.WriteString(w, text[min(offset, int64(len(text))):])
	return offset + int64(n), err
}

func (b *backend) Events(context.Context, EventQuery) ([]event.Event, error) {
	return answer[[]event.Event](b)
}
func (b *backend) Problems(context.Context) ([]event.Event, error)    { return answer[[]event.Event](b) }
func (b *backend) Repositories(context.Context) ([]Repository, error) { return answer[[]Repository](b) }
func (b *backend) Repository(context.Context, string) (*Repository, error) {
	return answer[*Repository](b)
}

func (b *backend) Growth(context.Context, string) ([]GrowthPoint, error) {
	return answer[[]GrowthPoint](b)
}

func (b *backend) RestoreTests(context.Context, RestoreTestQuery) (*RestoreTestPage, error) {
	return answer[*RestoreTestPage](b)
}

func (b *backend) RestoreTest(context.Context, string, string) (*RestoreTest, error) {
	return answer[*RestoreTest](b)
}
func (b *backend) Report(context.Context, string, Month) (*Report, error) { return answer[*Report](b) }

func (b *backend) Subscribe(ctx context.Context, changed func(Update)) error {
	b.mu.Lock()
	b.changed = changed
	b.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (b *backend) Snapshots(context.Context, SnapshotQuery) (*SnapshotPage, error) {
	return answer[*SnapshotPage](b)
}

func (b *backend) Snapshot(context.Context, string, string) (*Snapshot, error) {
	return answer[*Snapshot](b)
}

func (b *backend) Entries(context.Context, EntryQuery) (*EntryPage, error) {
	return answer[*EntryPage](b)
}

func (b *backend) Find(_ context.Context, _ FindQuery, found func(Found) error) error {
	return several(b, found)
}

func (b *backend) Diff(_ context.Context, _ DiffQuery, found func(Difference) error) error {
	return several(b, found)
}

func several[T any](b *backend, found func(T) error) error {
	for range 3 {
		one, err := answer[T](b)
		if err != nil || b.empty {
			return err
		}
		if err := found(one); err != nil {
			return err
		}
	}
	return nil
}

func (b *backend) Download(_ context.Context, q DownloadQuery, begin func(Content) io.Writer) error {
	if b.err != nil {
		return b.err
	}
	const text = "0123456789"
	c := Content{Name: "ü \"quoted\"\n.txt", Size: int64(len(text)), End: int64(len(text)), Time: time.Unix(1, 0), Tag: "abc"}
	if q.Offset < 0 {
		q.Offset = max(0, q.Offset+c.Size)
	}
	if q.Offset > c.Size {
		return ErrInvalid
	}
	c.Begin = q.Offset
	if q.Length > 0 {
		c.End = c.Begin + min(c.Size-c.Begin, q.Length)
	}
	_, err := io.WriteString(begin(c), text[c.Begin:c.End])
	return err
}

func (b *backend) StartJob(_ context.Context, job, variant string) error {
	return b.did("start", job+variant)
}
func (b *backend) StopRun(_ context.Context, run string) error { return b.did("stop", run) }

func (b *backend) PausePlan(_ context.Context, _ string, p PauseRequest) error {
	return b.did("pause", p)
}
func (b *backend) ResumePlan(_ context.Context, plan string) error { return b.did("resume", plan) }

func (b *backend) PlanRestore(_ context.Context, q RestoreRequest) (*RestorePlan, error) {
	if err := b.did("plan-restore", q); err != nil {
		return nil, err
	}
	return answer[*RestorePlan](b)
}

func (b *backend) Restore(_ context.Context, q RestoreRequest) (string, error) {
	return "run", b.did("restore", q)
}

func (b *backend) PlanForget(_ context.Context, q ForgetRequest) (*ForgetPlan, error) {
	if err := b.did("plan-forget", q); err != nil {
		return nil, err
	}
	return answer[*ForgetPlan](b)
}

func (b *backend) Forget(_ context.Context, q ForgetRequest) (string, error) {
	return "run", b.did("forget", q)
}
func (b *backend) Holds(context.Context, string) ([]Hold, error) { return answer[[]Hold](b) }

func (b *backend) PlaceHold(_ context.Context, _ string, q HoldRequest) error {
	return b.did("hold", q)
}

func (b *backend) ReleaseHold(_ context.Context, _, id, reason string) error {
	return b.did("release", id+reason)
}

func (b *backend) Protect(_ context.Context, q ProtectRequest) (string, error) {
	return "run", b.did("protect", q)
}

func (b *backend) PlanAct(_ context.Context, q ActRequest) (*ActPlan, error) {
	if err := b.did("plan-act", q); err != nil {
		return nil, err
	}
	return answer[*ActPlan](b)
}

func (b *backend) BeginAct(_ context.Context, q ActRequest) (string, error) {
	return "run", b.did("act", q)
}
func (b *backend) Locks(context.Context, string) ([]Lock, error) { return answer[[]Lock](b) }

func (b *backend) Evidence(context.Context, string) (*Evidence, error) { return answer[*Evidence](b) }

func (b *backend) StorageSettings(context.Context, string) (*StorageSettings, error) {
	return answer[*StorageSettings](b)
}
func (b *backend) Usage(context.Context, UsageQuery) (*Usage, error) { return answer[*Usage](b) }
func (b *backend) Costs(context.Context, string) ([]CopyCost, error) { return answer[[]CopyCost](b) }
func (b *backend) Log(context.Context, LogQuery) ([]LogArchive, error) {
	return answer[[]LogArchive](b)
}
func (b *backend) Archives(context.Context, string) (*Archives, error) { return answer[*Archives](b) }

func (b *backend) Paper(_ context.Context, _ PaperQuery, begin func() io.Writer) error {
	if b.err != nil {
		return b.err
	}
	_, err := io.WriteString(begin(), "paper")
	return err
}
func (b *backend) CheckPlans(context.Context) (string, error)         { return "run", b.did("check", nil) }
func (b *backend) TestNotify(_ context.Context, channel string) error { return b.did("test", channel) }

var discard = slog.New(slog.DiscardHandler)

// world is an API in front of a backend, with a token for each role.
type world struct {
	t       *testing.T
	backend *backend
	guard   *Guard
	server  *Server
	handler http.Handler
	dir     string
	tokens  map[Role]string
	log     *logged
	now     *clock
	events  *emitted
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, backend: &backend{}, dir: t.TempDir(), tokens: map[Role]string{}, log: &logged{}, now: &clock{now: time.Now()}, events: &emitted{}}
	w.open()
	for _, role := range []Role{RoleViewer, RoleOperator, RoleAdmin} {
		secret, _, err := w.guard.tokens.Create(role.String(), role, 0, "test")
		if err != nil {
			t.Fatal(err)
		}
		w.tokens[role] = secret
	}
	return w
}

// open begins a guard and a server, as a start of the service does.
func (w *world) open() {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	guard, err := NewGuard(GuardOptions{StateDir: w.dir, Hosts: []string{"backup.example:9898"}, Log: log, Now: w.now.Now, Events: w.events})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			w.t.Error(err)
		}
	})
	w.guard, w.server = guard, NewServer(w.backend, guard, Options{Log: log})
	mux := http.NewServeMux()
	mux.Handle(Prefix+"/", w.server)
	mux.HandleFunc("POST /login", func(rw http.ResponseWriter, r *http.Request) {
		if err := guard.Login(rw, r, r.PostFormValue("token")); err != nil {
			refuse(rw, r, err)
		}
	})
	mux.HandleFunc("POST /logout", func(rw http.ResponseWriter, r *http.Request) { guard.Logout(rw, r) })
	w.handler = guard.Middleware(mux)
}

// request makes one that comes from this machine.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, http.NoBody)
	}
	r.Host, r.RemoteAddr = "127.0.0.1:9898", "127.0.0.1:4711"
	if body != "" {
		r.Header.Set("Content-Type", mediaJSON)
	}
	return r
}

func (w *world) ask(role Role, method, path, body string) *httptest.ResponseRecorder {
	r := request(method, Prefix+path, body)
	if role != Nobody {
		r.Header.Set("Authorization", "Bearer "+w.tokens[role])
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return answer
}

// wantStatus fails unless an answer has a status.
func wantStatus(t *testing.T, answer *httptest.ResponseRecorder, status int) {
	t.Helper()
	if answer.Code != status {
		t.Errorf("status %d, want %d: %s", answer.Code, status, answer.Body)
	}
}

// login begins a session and returns its cookie.
func (w *world) login(role Role, old ...*http.Cookie) *http.Cookie {
	w.t.Helper()
	r := request("POST", "/login", "token="+w.tokens[role])
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range old {
		r.AddCookie(c)
	}
	answer := w.serve(r)
	cookies := answer.Result().Cookies()
	if answer.Code != http.StatusOK || len(cookies) != 1 {
		w.t.Fatalf("login: %d %s, %d cookies", answer.Code, answer.Body, len(cookies))
	}
	return cookies[0]
}

// inSession asks as a page of the session does.
func (w *world) inSession(c *http.Cookie, method, path, body string) *http.Request {
	r := request(method, Prefix+path, body)
	r.AddCookie(c)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set(csrfHeader, csrfOf(c.Value))
	return r
}

// logged keeps what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// clock is one that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type emitted struct {
	mu  sync.Mutex
	all []event.Event
}

func (e *emitted) Emit(one event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, one)
}

func (e *emitted) kinds() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var s strings.Builder
	for _, one := range e.all {
		fmt.Fprintln(&s, one.Kind)
	}
	return s.String()
}
