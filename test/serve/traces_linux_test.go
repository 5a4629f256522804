package serve

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes in what is sent to a collector of OpenTelemetry, read with
// the types that are generated from its specification.
type collector struct {
	url string

	mu      sync.Mutex
	found   []span
	refused int
}

// span is one, as far as it is looked at.
type span struct {
	id, parent, trace string
	name, failure     string
	about             map[string]string
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the process that sent it was killed
		}
		var data otlp.TracesData
		if err := proto.Unmarshal(body, &data); err != nil {
			t.Error(err)
		}
		c.take(&data, r.Header.Get("Authorization") == "Bearer s3cret")
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *collector) take(data *otlp.TracesData, allowed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !allowed {
		c.refused++
	}
	for _, resource := range data.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				about := map[string]string{}
				for _, a := range s.GetAttributes() {
					about[a.GetKey()] = a.GetValue().String()
				}
				c.found = append(c.found, span{
					id: string(s.GetSpanId()), parent: string(s.GetParentSpanId()), trace: string(s.GetTraceId()),
					name: s.GetName(), failure: s.GetStatus().GetMessage(), about: about,
				})
			}
		}
	}
}

// named returns the first span with a name that is part of another one; "" is
// the ID of what is part of nothing.
func (c *collector) named(name, parent string) *span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.found {
		if s.name == name && s.parent == parent {
			return &s
		}
	}
	return nil
}

// A run is one trace, from the service to what its hooks are told, and the
// steps of a restore test are in it.
func TestTraces(t *testing.T) {
	to := collect(t)
	h := newHost(t)
	h.Write("headers", "authorization=Bearer%20s3cret")
	h.configure(`  www:
    sources: [www]
    repository: local
    schedule: { full: "0 0 1 1 *" }
    hooks: { before: [{ command: [/bin/sh, -c, "echo $TRACEPARENT > `+h.Path("told")+`"] }] }
    restore_test: { schedule: "0 0 1 1 *", checks: [{ canary: `+h.Path("source/letter.txt")+` }] }`, listening+`
  traces: { endpoint: "`+to.url+`", headers: { file: `+h.Path("headers")+` } }`)
	h.init()
	s := h.serve()
	c := s.api()
	c.post("/jobs/start", map[string]string{"job": "plans/www/backup"})
	h.Until("there is a backup", func() bool { return count(h.runs(), "backup", "", "succeeded") == 1 })
	c.post("/jobs/start", map[string]string{"job": "plans/www/restore-test"})
	h.Until("there is a restore test", func() bool { return count(h.runs(), "restore-test", "", "succeeded") == 1 })
	if err := s.Signal(15); err != nil { // what is left is sent
		t.Error(err)
	}

	below := func(parent *span, name string) *span {
		t.Helper()
		of := ""
		if parent != nil {
			of = parent.id
		}
		found := to.named(name, of)
		if found == nil {
			t.Fatalf("there is no %q where it should be; there are %+v", name, to.found)
		}
		if parent != nil && found.trace != parent.trace {
			t.Errorf("%s is in another trace", name)
		}
		return found
	}
	run := below(nil, "run backup")
	for key, want := range map[string]string{"plan": "www", "repository": "local", "outcome": "succeeded", "trigger": "manual", "job": "plans/www/backup"} {
		if got := run.about["holdfast."+key]; got != `string_value:"`+want+`"` {
			t.Errorf("the run says %s of its %s: %v", got, key, run.about)
		}
	}
	command := below(run, "holdfast plan run")
	if command.about["process.exit.code"] != "int_value:0" || command.about["holdfast.run"] != run.about["holdfast.run"] {
		t.Errorf("the command says %v", command.about)
	}
	below(command, "open repository")
	below(command, "wait for lock")
	below(below(below(command, "hold lock"), "back up source"), "back up files")
	hook := below(command, "hook")
	if told, err := readFile(h.Path("told")); err != nil || !strings.Contains(told, hexOf(hook.trace)+"-"+hexOf(hook.id)) {
		t.Errorf("the hook was told %q (%v)", told, err)
	}
	test := below(below(below(nil, "run restore-test"), "holdfast verify"), "restore test")
	if test.about["holdfast.verdict"] != `string_value:"proven"` || to.named("restore", test.id) == nil {
		t.Errorf("the restore test says %v", test.about)
	}
	if asked := below(nil, "startJob"); asked.about["http.route"] != `string_value:"/api/v1/jobs/start"` || asked.about["http.response.status_code"] != "int_value:204" {
		t.Errorf("the request says %v", asked.about)
	}
	if to.refused > 0 {
		t.Errorf("%d requests came without the header", to.refused)
	}
	for _, s := range to.found {
		for key, value := range s.about {
			if strings.Contains(value, "s3cret") || strings.Contains(value, c.token) {
				t.Errorf("%s of %s is %s", key, s.name, value)
			}
		}
	}
}

func hexOf(id string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for k := range len(id) {
		b.WriteByte(digits[id[k]>>4])
		b.WriteByte(digits[id[k]&15])
	}
	return b.String()
}

// A collector that takes everything in and answers nothing, and one that is not
// there, keep nothing from being done.
func TestTracesReachNobody(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // only a listener
	h := newHost(t)
	h.configure(rarely("www", ""), listening+"\n  traces: http://"+silent.Addr().String())
	h.init()
	s := h.serve()
	c := s.api()
	c.post("/jobs/start", map[string]string{"job": "plans/www/backup"})
	h.Until("there is a backup", func() bool { return count(h.runs(), "backup", "", "succeeded") == 1 })
	run := c.run(h.runs()[0].ID)
	if status, log := c.try(http.MethodGet, "/runs/"+run.ID+"/log", nil); status != http.StatusOK || !strings.Contains(log, "traces do not reach "+silent.Addr().String()) {
		t.Errorf("%d, the log of the run says %s", status, log)
	}
	if err := s.Signal(15); err != nil {
		t.Error(err)
	}

	gone := h.Holdfast.With("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1")
	if r := gone.Exits(t, 0, "snapshots", "-r", "local", "--json"); !strings.Contains(r.Stderr, "traces do not reach 127.0.0.1:1") || !strings.HasPrefix(r.Stdout, "[") {
		t.Errorf("it says %q and %q", r.Stdout, r.Stderr)
	}
	wrong := h.Holdfast.With("OTEL_EXPORTER_OTLP_ENDPOINT=127.0.0.1")
	if r := wrong.Exits(t, 0, "snapshots", "-r", "local"); !strings.Contains(r.Stderr, "the endpoint for traces is no URL") {
		t.Errorf("it says %q", r.Stderr)
	}
}
