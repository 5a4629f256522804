package trace

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes spans in, and reads them with the types that are generated
// from the specification.
type collector struct {
	t *testing.T
	// status is what it answers, 200 if it is 0.
	status int

	mu       sync.Mutex
	requests []*http.Request
	got      []*otlp.ResourceSpans
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(from)
		if err != nil {
			c.t.Error(err)
			return
		}
		from = z
	}
	body, err := io.ReadAll(from)
	if err != nil {
		c.t.Error(err)
	}
	var data otlp.TracesData
	if err := (proto.UnmarshalOptions{DiscardUnknown: false}).Unmarshal(body, &data); err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests, c.got = append(c.requests, r), append(c.got, data.GetResourceSpans()...)
	if c.status != 0 {
		w.WriteHeader(c.status)
	}
}

// spans are all that came, by their names.
func (c *collector) spans() map[string]*otlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]*otlp.Span)
	for _, r := range c.got {
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				all[s.GetName()] = s
			}
		}
	}
	return all
}

func textsOf(list []*common.KeyValue) map[string]string {
	texts := make(map[string]string)
	for _, a := range list {
		texts[a.GetKey()] = a.GetValue().String()
	}
	return texts
}

// listen starts a collector that the environment names.
func listen(t *testing.T, variables ...string) *collector {
	t.Helper()
	c := &collector{t: t}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return c
}

func open(t *testing.T) *Tracer {
	t.Helper()
	tracer, err := Open(Options{Version: "1.2.3", Warn: func(err error) { t.Error(err) }})
	if err != nil || tracer == nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	return tracer
}

func TestSpansReachTheCollector(t *testing.T) {
	for _, compression := range []string{"none", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			c := listen(t, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20s3cret, x-tenant = me", "OTEL_EXPORTER_OTLP_COMPRESSION="+compression,
				"OTEL_SERVICE_NAME=backups", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test,service.name=other")
			tracer := open(t)
			ctx, run := Start(tracer.Attach(t.Context()), "run", slog.String("plan", "www"), slog.String("source", ""), slog.Int("attempt", 2))
			began := time.Now().Add(-time.Hour)
			Record(ctx, "step", began, time.Minute, "it broke")
			_, part := Start(ctx, "part", slog.Bool("together", true), slog.Float64("share", 0.5), slog.Uint64("http.bytes", 7))
			part.End(errors.New("no " + strings.Repeat("é", maxText)))
			run.Set(slog.String("outcome", "failed"))
			run.End(nil)
			tracer.Close()

			got := c.spans()
			if len(got) != 3 || len(c.requests) != 1 {
				t.Fatalf("%d spans in %d requests: %v", len(got), len(c.requests), got)
			}
			if r := c.requests[0]; r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("X-Tenant") != "me" || r.Header.Get("Content-Type") != "application/x-protobuf" {
				t.Errorf("%s %v", r.URL, r.Header)
			}
			about := textsOf(c.got[0].GetResource().GetAttributes())
			for key, want := range map[string]string{"service.name": "backups", "service.version": "1.2.3", "deployment.environment": "test"} {
				if about[key] != `string_value:"`+want+`"` {
					t.Errorf("%s is %s", key, about[key])
				}
			}
			if about["host.name"] == "" || about["telemetry.sdk.language"] == "" {
				t.Error(about)
			}
			for name, want := range map[string]map[string]string{
				"run":  {"holdfast.plan": `string_value:"www"`, "holdfast.attempt": "int_value:2", "holdfast.outcome": `string_value:"failed"`},
				"part": {"holdfast.together": "bool_value:true", "holdfast.share": "double_value:0.5", "http.bytes": "int_value:7"},
			} {
				said := textsOf(got[name].GetAttributes())
				if len(said) != len(want) {
					t.Errorf("%s says %v", name, said)
				}
				for key, value := range want {
					if said[key] != value {
						t.Errorf("%s of %s is %q, want %q", key, name, said[key], value)
					}
				}
			}
			for _, name := range []string{"step", "part"} {
				if string(got[name].GetParentSpanId()) != string(got["run"].GetSpanId()) || string(got[name].GetTraceId()) != string(got["run"].GetTraceId()) {
					t.Errorf("%s does not belong to the run", name)
				}
			}
			if s := got["step"]; s.GetStartTimeUnixNano() != uint64(began.UnixNano()) || s.GetEndTimeUnixNano()-s.GetStartTimeUnixNano() != uint64(time.Minute) || s.GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR || s.GetStatus().GetMessage() != "it broke" {
				t.Error(s)
			}
			if s := got["part"].GetStatus(); s.GetCode() != otlp.Status_STATUS_CODE_ERROR || len(s.GetMessage()) > maxText || !strings.HasPrefix(s.GetMessage(), "no éé") {
				t.Errorf("%s, %d bytes", s.GetCode(), len(s.GetMessage()))
			}
			if s := got["run"]; s.GetStatus().GetCode() != otlp.Status_STATUS_CODE_UNSET || s.GetKind() != otlp.Span_SPAN_KIND_INTERNAL || len(s.GetParentSpanId()) != 0 || s.GetFlags()&0xff != 1 {
				t.Error(s)
			}
		})
	}
}

// A process is told of its trace by the environment, and tells others so.
func TestProcessesJoinTraces(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := listen(t, "TRACEPARENT="+parent, "TRACESTATE=vendor=1")
	tracer := open(t)
	ctx, s := Start(tracer.Attach(Join(t.Context())), "command")
	handed := Environment(ctx)
	s.End(nil)
	tracer.Close()
	got := c.spans()["command"]
	if got == nil || got.GetFlags()&flagRemote == 0 || got.GetTraceState() != "vendor=1" {
		t.Fatal(got)
	}
	if len(handed) != 2 || !strings.HasPrefix(handed[0], "TRACEPARENT="+parent[:36]) || handed[0] == "TRACEPARENT="+parent || handed[1] != "TRACESTATE=vendor=1" {
		t.Error(handed)
	}
}

// A request may be part of a trace of whoever asks.
func TestRequestsJoinTraces(t *testing.T) {
	c := listen(t)
	tracer := open(t)
	r := httptest.NewRequestWithContext(tracer.Attach(t.Context()), http.MethodGet, "/plans", http.NoBody)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r, s := StartRequest(r, "listPlans")
	_, part := Start(r.Context(), "part")
	part.End(nil)
	s.End(nil)
	tracer.Close()
	got := c.spans()
	if got["listPlans"].GetKind() != otlp.Span_SPAN_KIND_SERVER || string(got["part"].GetTraceId()) != string(got["listPlans"].GetTraceId()) || got["listPlans"].GetTraceId()[0] != 0x0a {
		t.Error(got)
	}
}

func TestWhatIsOffDoesNothing(t *testing.T) {
	for _, variables := range [][]string{
		nil,
		{"OTEL_SDK_DISABLED=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"},
		{"OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"},
	} {
		t.Run(strings.Join(variables, " "), func(t *testing.T) {
			for _, v := range variables {
				name, value, _ := strings.Cut(v, "=")
				t.Setenv(name, value)
			}
			before := runtime.NumGoroutine()
			tracer, err := Open(Options{})
			if tracer != nil || err != nil {
				t.Fatal(tracer, err)
			}
			ctx := tracer.Attach(t.Context())
			inner, s := Start(ctx, "part", slog.String("plan", "www"))
			s.Set(slog.Int("attempt", 1))
			s.End(nil)
			Record(ctx, "step", time.Time{}, 0, "")
			if inner != ctx {
				t.Error("the context says something")
			}
			if Environment(ctx) != nil {
				t.Error(Environment(ctx))
			}
			tracer.Close()
			if after := runtime.NumGoroutine(); after > before {
				t.Errorf("%d goroutines, %d before", after, before)
			}
		})
	}
}

// What the sampler leaves out is not sent, and its parts know that.
func TestSamplerOfTheEnvironment(t *testing.T) {
	c := listen(t, "OTEL_TRACES_SAMPLER=always_off")
	tracer := open(t)
	ctx, s := Start(tracer.Attach(t.Context()), "run")
	if handed := Environment(ctx); len(handed) == 0 || !strings.HasSuffix(handed[0], "-00") {
		t.Error(handed)
	}
	s.End(nil)
	tracer.Close()
	if len(c.requests) > 0 {
		t.Error("it was sent")
	}
}

// roundTrip is a collector without a network, for tests with a clock of their
// own.
type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, header ...string) *http.Response {
	a := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: http.NoBody}
	for k := 0; k < len(header); k += 2 {
		a.Header.Set(header[k], header[k+1])
	}
	return a
}

// without returns a tracer whose requests go to f, and what it warns of.
func without(f roundTrip) (*Tracer, *[]error) {
	warned := new([]error)
	e := &exporter{settings: &settings{url: "http://user:s3cret@collector/s3cret/v1/traces", timeout: defaultTimeout, headers: http.Header{}}, client: &http.Client{Transport: f}}
	e.warn = func(err error) { *warned = append(*warned, err) }
	return newTracer(e, resource.Empty(), ""), warned
}

// A collector that does not answer holds nobody up: spans end at once, as many
// as come, and the end of the process waits two seconds.
func TestSlowCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer, warned := without(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		ctx := tracer.Attach(context.Background())
		for range 100_000 {
			_, s := Start(ctx, "part")
			s.End(nil)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("the parts waited %v", waited)
		}
		tracer.Close()
		if waited := time.Since(began); waited != closeLimit {
			t.Errorf("the end waited %v", waited)
		}
		time.Sleep(time.Hour) // what was queued is given up part by part
		synctest.Wait()
		if len(*warned) != 1 || strings.Contains((*warned)[0].Error(), "s3cret") {
			t.Errorf("warned of %v", *warned)
		}
	})
}

// It is told once that a collector is gone, and again after it was there.
func TestCollectorComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, delivered := true, 0
		tracer, warned := without(func(*http.Request) (*http.Response, error) {
			if down {
				return nil, errors.New("connection refused")
			}
			delivered++
			return answer(http.StatusOK), nil
		})
		ctx := tracer.Attach(context.Background())
		for _, state := range []bool{true, true, false, true} {
			down = state
			_, s := Start(ctx, "part")
			s.End(nil)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		tracer.Close()
		if len(*warned) != 2 || delivered != 1 {
			t.Errorf("%d delivered, warned of %v", delivered, *warned)
		}
		if want := "traces do not reach collector, and are dropped: connection refused"; (*warned)[0].Error() != want {
			t.Errorf("%v", (*warned)[0])
		}
	})
}

// A collector that is busy says when to come again; one that refuses is not
// asked again.
func TestBusyCollector(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []*http.Response
		asked   int
		warned  int
	}{
		{"busy", []*http.Response{answer(http.StatusServiceUnavailable, "Retry-After", "3"), answer(http.StatusTooManyRequests), answer(http.StatusOK)}, 3, 0},
		{"refuses", []*http.Response{answer(http.StatusUnauthorized), answer(http.StatusOK)}, 1, 1},
		{"stays busy", []*http.Response{answer(http.StatusBadGateway), answer(http.StatusBadGateway), answer(http.StatusBadGateway), answer(http.StatusBadGateway), answer(http.StatusOK)}, 4, 1},
		{"for long", []*http.Response{answer(http.StatusServiceUnavailable, "Retry-After", "3600"), answer(http.StatusOK)}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				tracer, warned := without(func(*http.Request) (*http.Response, error) {
					asked++
					return c.answers[asked-1], nil
				})
				_, s := Start(tracer.Attach(context.Background()), "part")
				s.End(nil)
				time.Sleep(time.Minute)
				synctest.Wait()
				tracer.Close()
				if asked != c.asked || len(*warned) != c.warned {
					t.Errorf("asked %d times, warned of %v", asked, *warned)
				}
			})
		})
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, c := range []struct{ variable, want string }{
		{"OTEL_TRACES_EXPORTER=zipkin", "OTEL_TRACES_EXPORTER=zipkin: holdfast knows otlp and none"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: holdfast speaks http/protobuf; collectors listen for it on port 4318"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector:4318/s3cret", "the endpoint for traces is no URL such as http://127.0.0.1:4318"},
		{"OTEL_EXPORTER_OTLP_HEADERS=s3cret", "the headers for traces are not written as name=value,name=value"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT=10s", "OTEL_EXPORTER_OTLP_TIMEOUT=10s: write milliseconds, such as 10000"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION=zstd", "OTEL_EXPORTER_OTLP_COMPRESSION=zstd: write gzip or none"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE=/dev/null", "OTEL_EXPORTER_OTLP_CERTIFICATE: /dev/null has no certificate in PEM form"},
	} {
		t.Run(c.variable, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			name, value, _ := strings.Cut(c.variable, "=")
			t.Setenv(name, value)
			if tracer, err := Open(Options{}); err == nil || err.Error() != c.want || tracer != nil {
				t.Errorf("%v, %v", tracer, err)
			}
		})
	}
}

// holdfast.yaml names a collector where the environment does not.
func TestEnvironmentWins(t *testing.T) {
	o := Options{Endpoint: "http://of-the-file:4318/otlp/", Headers: "x-of=file"}
	s, err := readSettings(o)
	if err != nil || s.url != "http://of-the-file:4318/otlp/v1/traces" || s.headers.Get("X-Of") != "file" {
		t.Errorf("%+v, %v", s, err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://of-the-environment:4318/as/it/is")
	if s, err = readSettings(o); err != nil || s.url != "http://of-the-environment:4318/as/it/is" || s.headers.Get("X-Of") != "" {
		t.Errorf("%+v, %v", s, err)
	}
}
