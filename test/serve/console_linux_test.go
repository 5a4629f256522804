package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app/protect"
	"holdfast/internal/event"
)

// A backup that is begun from outside tells how far it is while it runs, and
// ends when a person stops it; it is not tried again.
func TestARunIsFollowedAndStopped(t *testing.T) {
	h := newHost(t)
	h.Write("source/large", randomText(48<<20))
	h.configure(rarely("www", ", limits: { upload: 1M }"), listening)
	h.init()
	s := h.serve()
	c := s.api()
	c.post("/jobs/start", map[string]string{"job": "plans/www/backup"})
	var id string
	var told []api.Progress
	h.Until("the run tells three times how far it is", func() bool {
		for _, r := range seen[api.RunPage](c, "/runs?outcome=running").Runs {
			if id = r.ID; r.By != "admin" || r.Job != "backup" {
				t.Fatalf("it runs as %+v", r)
			}
			if r.Progress == nil {
				continue
			}
			if n := len(told); n == 0 || r.Progress.At.After(told[n-1].At) {
				told = append(told, *r.Progress)
				t.Logf("%d bytes, known for %s", r.Progress.BytesDone, time.Since(r.Progress.At).Round(time.Millisecond))
			}
		}
		return len(told) >= 3 && told[len(told)-1].BytesDone > 0
	})
	if status, _ := c.try(http.MethodPost, "/runs/20200101-000000-ffffff/stop", nil); status != http.StatusNotFound {
		t.Errorf("stopping what never was: %d", status)
	}
	c.post("/runs/"+id+"/stop", nil)
	r := c.ended(h, id)
	if r.Outcome != "interrupted" || r.Reason != "it was stopped by admin" || r.By != "admin" || !r.HasLog {
		t.Errorf("it ended as %+v", r)
	}
	if jobs := seen[[]api.Job](c, "/jobs"); len(jobs) != 1 || jobs[0].Running != "" || jobs[0].Waiting != "" || jobs[0].LastRun != id {
		t.Errorf("what is to be done: %+v", jobs)
	}
	if p := c.problem("www"); p != nil {
		t.Errorf("what a person did is a problem: %+v", p)
	}
	if status, _ := c.try(http.MethodPost, "/runs/"+id+"/stop", nil); status != http.StatusConflict {
		t.Errorf("stopping what has ended: %d", status)
	}
}

// A restore is shown first; what is confirmed must be what was shown. It is a
// run as all others, with who asked for it.
func TestARestoreThatIsAskedFor(t *testing.T) {
	h := newHost(t)
	h.configure(rarely("www", ""), listening)
	h.init()
	h.Holdfast.Run(t, "plan", "run", "-q", "www")
	s := h.serve()
	c := s.api()
	q := api.RestoreRequest{Plan: "www"}
	plan := asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", q)
	if plan.Refused != "" || plan.Files != 1 || plan.Bytes != uint64(len("dear Ann")) || plan.FreeBytes == 0 || plan.Confirm == "" ||
		!strings.HasPrefix(plan.Target, h.Path("state/restores/www-www-")) || plan.Snapshot == nil {
		t.Fatalf("the plan is %+v", plan)
	}
	for _, confirm := range []string{"", "x", plan.Confirm[1:]} {
		q.Confirm = confirm
		if status, answer := c.try(http.MethodPost, "/restore", q); status != http.StatusConflict {
			t.Errorf("confirmed with %q: %d %s", confirm, status, answer)
		}
	}
	q.Confirm, q.Overwrite = plan.Confirm, "always"
	if status, answer := c.try(http.MethodPost, "/restore", q); status != http.StatusConflict {
		t.Errorf("what was confirmed is something else: %d %s", status, answer)
	}
	q.Overwrite = ""
	id := c.begin("/restore", q)
	r := c.ended(h, id)
	if r.Outcome != "succeeded" || r.Job != "restore" || r.Plan != "www" || r.Source != "www" || r.Repository != "local" || r.By != "admin" {
		t.Errorf("it ended as %+v", r)
	}
	if text, err := readFile(filepath.Join(plan.Target, h.Path("source/letter.txt"))); err != nil || text != "dear Ann" {
		t.Errorf("restored: %q, %v", text, err)
	}
	if status, log := c.try(http.MethodGet, "/runs/"+id+"/log", nil); status != 200 || !strings.Contains(log, "restore") || !strings.Contains(log, "--below "+h.Path("state/restores")) {
		t.Errorf("its log: %d %q", status, log)
	}
	// Again, what is there is named, and stays.
	again := asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", api.RestoreRequest{Plan: "www", Target: plan.Target})
	if len(again.Kept) == 0 || len(again.Overwrites) != 0 {
		t.Errorf("of what is there %q would be replaced, and %q kept", again.Overwrites, again.Kept)
	}
	h.refusals(c)
}

// refusals are restores that the service does not do.
func (h *host) refusals(c *caller) {
	h.T.Helper()
	if err := os.Symlink("/", h.Path("state/restores/link")); err != nil {
		h.T.Fatal(err)
	}
	for _, target := range []string{
		"/etc/holdfast-test", h.Path("state/restores/../logs/x"), h.Path("state/restores/link/etc/x"), h.Path("local/x"), h.Path("state/restores"),
	} {
		plan := asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", api.RestoreRequest{Plan: "www", Target: target})
		if plan.Refused == "" || len(plan.Command) == 0 {
			h.T.Errorf("a restore to %s: %+v", target, plan)
		}
		if status, _ := c.try(http.MethodPost, "/restore", api.RestoreRequest{Plan: "www", Target: target, Confirm: plan.Confirm}); status < 400 {
			h.T.Errorf("a restore to %s is begun: %d", target, status)
		}
	}
	for _, wrong := range []api.RestoreRequest{{}, {Plan: "www", Target: "x"}, {Plan: "shop"}, {Plan: "www", Overwrite: "sometimes"}, {Plan: "www", Time: time.Now().Add(time.Hour)}} {
		if status, answer := c.try(http.MethodPost, "/plan-restore", wrong); status != http.StatusBadRequest && status != http.StatusNotFound {
			h.T.Errorf("%+v: %d %s", wrong, status, answer)
		}
	}
}

// What a person asked for is in the history once, also when the service is
// killed; problems and events outlive it, and end when they are over.
func TestWhatOutlivesTheService(t *testing.T) {
	h := newHost(t)
	h.configure(rarely("www", ", limits: { retries: { attempts: 1 } }"), listening)
	h.init()
	h.Holdfast.Run(t, "plan", "run", "-q", "www")
	if err := os.Rename(h.Path("source"), h.Path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	s := h.serve()
	c := s.api()
	c.post("/jobs/start", map[string]string{"job": "plans/www/backup"})
	h.Until("it is a problem that the backup fails", func() bool { return c.problem("backup of plan www failed") != nil })
	plan := asked[api.RestorePlan](c, http.MethodPost, "/plan-restore", api.RestoreRequest{Plan: "www"})
	id := c.begin("/restore", api.RestoreRequest{Plan: "www", Confirm: plan.Confirm})
	s.Kill()

	s = h.serve()
	c = s.api(c)
	if r := c.ended(h, id); r.Outcome != "interrupted" && r.Outcome != "succeeded" {
		t.Errorf("the restore ended as %+v", r)
	}
	count := 0
	for _, r := range seen[api.RunPage](c, "/runs?job=restore").Runs {
		if r.ID != id {
			t.Errorf("it was begun again as %s", r.ID)
		}
		count++
	}
	if count != 1 {
		t.Errorf("it is in the history %d times", count)
	}
	if p := c.problem("backup of plan www failed"); p == nil || p.Severity < event.Warning {
		t.Errorf("the problem is forgotten: %+v", p)
	}
	starts := 0
	for _, e := range seen[[]event.Event](c, "/events?kind=service-started") {
		starts++
		if e.Summary == "" {
			t.Errorf("an event without words: %+v", e)
		}
	}
	if starts != 2 {
		t.Errorf("%d starts are among the events", starts)
	}
	if err := os.Rename(h.Path("elsewhere"), h.Path("source")); err != nil {
		t.Fatal(err)
	}
	c.post("/jobs/start", map[string]string{"job": "plans/www/backup"})
	h.Until("the problem is over", func() bool { return c.problem("backup of plan www") == nil })
	h.pages(c)
}

// pages reads the list of runs one by one, and in one go.
func (h *host) pages(c *caller) {
	h.T.Helper()
	var one []string
	for after := ""; ; {
		page := seen[api.RunPage](c, "/runs?limit=1&after="+after)
		for _, r := range page.Runs {
			one = append(one, r.ID)
		}
		if after = page.After; after == "" {
			break
		}
	}
	var all []string
	for _, r := range seen[api.RunPage](c, "/runs").Runs {
		all = append(all, r.ID)
	}
	if fmt.Sprint(one) != fmt.Sprint(all) || len(all) != 3 {
		h.T.Errorf("one by one %q, together %q", one, all)
	}
}

// How a plan stands is known soon after what changes it, and how large its
// repository is.
func TestHowPlansStand(t *testing.T) {
	h := newHost(t)
	h.configure(rarely("www", ", objectives: { rpo: 25h }, restore_test: { schedule: \"0 0 1 1 *\" }"), `  listen: 127.0.0.1:0
  survey: 1h
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: "0 0 1 1 *" } }`)
	h.onAnotherDisk("local")
	h.init()
	s := h.serve()
	c := s.api()
	verdict := func(want api.Verdict) {
		t.Helper()
		h.Until(string(want), func() bool { return seen[api.Plan](c, "/plans/www").Verdict == want })
	}
	verdict(api.Unsafe) // there is no backup
	c.post("/jobs/start", map[string]string{"job": "plans/www/backup"})
	verdict(api.AtRisk) // nothing was proven
	c.post("/jobs/start", map[string]string{"job": "plans/www/restore-test"})
	verdict(api.Safe)
	p := seen[[]api.Plan](c, "/plans")[0]
	if p.Why == "" || p.Proven.IsZero() || p.Newest.IsZero() || p.RPO.State != "met" || p.RPO.Promised != 25*3600 || len(p.Missing) == 0 || p.Missing[0].Next == "" {
		t.Errorf("it stands as %+v", p)
	}
	if len(p.Sources) != 1 || p.Sources[0].Bytes != uint64(len("dear Ann")) || p.Sources[0].Newest.IsZero() {
		t.Errorf("its sources are %+v", p.Sources)
	}
	c.post("/jobs/start", map[string]string{"job": "repositories/local/check"})
	h.Until("the size of the repository is known", func() bool { return seen[api.Repository](c, "/repositories/local").Bytes > 0 })
	before := seen[[]api.GrowthPoint](c, "/repositories/local/growth")
	h.Write("source/more", randomText(1<<20))
	c.post("/jobs/start", map[string]string{"job": "plans/www/backup"})
	h.Until("it has grown", func() bool {
		return seen[api.Repository](c, "/repositories/local").Bytes > before[len(before)-1].Bytes+1<<19
	})
	metrics, err := get(http.DefaultClient, c.url+"metrics")
	if err != nil || !strings.Contains(metrics, `holdfast_repository_size_bytes{repository="local"}`) {
		t.Errorf("metrics do not have the size (%v)", err)
	}
	h.report(c)
}

// report looks at the report of this month.
func (h *host) report(c *caller) {
	h.T.Helper()
	c.post("/plans/www/pause", api.PauseRequest{Reason: "moving house"})
	h.Until("the pause is seen", func() bool {
		p := seen[api.Plan](c, "/plans/www").Paused
		return p != nil && p.Reason == "moving house"
	})
	c.post("/plans/www/resume", nil)
	r := seen[api.Report](c, "/plans/www/reports/"+time.Now().Format("2006-01"))
	if r.Runs["backup"]["succeeded"] != 2 || len(r.Tests) != 1 || r.Tests[0].Verdict != "proven" || len(r.Failures) != 0 || r.BytesRead == 0 || r.Incomplete == "" {
		h.T.Errorf("the report is %+v", r)
	}
	if said := fmt.Sprint(r.Changes); !strings.Contains(said, "moving house") {
		h.T.Errorf("its changes are %s", said)
	}
}

// onAnotherDisk has a folder that is not there yet lie on another disk than the
// rest of the host: in memory.
func (h *host) onAnotherDisk(name string) {
	h.T.Helper()
	elsewhere, err := os.MkdirTemp("/dev/shm", "holdfast-serve-")
	if err != nil {
		h.T.Fatal(err)
	}
	h.T.Cleanup(func() { os.RemoveAll(elsewhere) }) //nolint:errcheck // it is in memory
	if same, err := protect.SameDisk(elsewhere, h.Dir); err != nil || same {
		h.T.Fatalf("/dev/shm is no disk of its own: %v", err)
	}
	if err := os.Symlink(elsewhere, h.Path(name)); err != nil {
		h.T.Fatal(err)
	}
}

// Where nothing is configured the dashboard leads to the first plan.
func TestFromNothingByTheAPI(t *testing.T) {
	h := newHost(t)
	h.Holdfast = h.Holdfast.With("HOLDFAST_CONFIG=", "HOME="+h.Dir, "XDG_CONFIG_HOME="+h.Path("config"), "XDG_DATA_HOME="+h.Path("data"), "XDG_CACHE_HOME="+h.Path("cache"))
	l := freePort(t)
	s := h.serve() // at the usual address, if that is free
	s.Logged("service-started")
	var earlier []*caller // who listened has shown the token
	if token := s.Token(); token != "" {
		earlier = append(earlier, &caller{token: token})
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.Write("config/holdfast/holdfast.yaml", "service: { listen: \""+l+"\" }\n")
	s = h.serve()
	c := s.api(earlier...)
	id := c.begin("/protect", api.ProtectRequest{What: []string{h.Path("source")}, Name: "letters"})
	if r := c.ended(h, id); r.Outcome != "succeeded" || r.Plan != "letters" {
		_, log := c.try(http.MethodGet, "/runs/"+id+"/log", nil)
		t.Fatalf("it ended as %+v\n%s", r, log)
	}
	h.Until("the plan is proven, and only its disk is a risk", func() bool {
		plans := seen[[]api.Plan](c, "/plans")
		return len(plans) == 1 && plans[0].Name == "letters" && !plans[0].Proven.IsZero() && plans[0].Verdict == api.AtRisk && strings.Contains(plans[0].Why, "Losing one disk")
	})
	for _, wrong := range []api.ProtectRequest{{}, {What: []string{"letters"}}, {What: []string{"/a", "postgres://db/shop"}}, {What: []string{"/a"}, To: "--help"}, {What: []string{"/a"}, To: "rest:http://me:secret@host/"}} {
		if status, answer := c.try(http.MethodPost, "/protect", wrong); status != http.StatusBadRequest {
			t.Errorf("%+v: %d %s", wrong, status, answer)
		}
	}
}

// Where the service listens: a taken address is an error if somebody wants it.
func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) //nolint:errcheck // the test is over
	h := newHost(t)
	h.configure(rarely("www", ""), "  listen: "+taken.Addr().String()+"\n"+noUpkeep)
	h.init()
	if s := h.serve(); s.Wait() == nil || !strings.Contains(s.Log(), "service.listen") {
		t.Errorf("a taken address: %s", s.Log())
	}
	h.configure(rarely("www", ""), "  listen: off\n"+noUpkeep)
	s := h.serve()
	s.Logged("service-started")
	if strings.Contains(s.Log(), `"msg":"listening"`) {
		t.Error("it listens all the same")
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	usual, err := net.Listen("tcp", "127.0.0.1:9898")
	if err == nil { // else somebody else has it, which is as good
		t.Cleanup(func() { usual.Close() }) //nolint:errcheck // the test is over
	}
	h.configure(rarely("www", ""), noUpkeep)
	s = h.serve()
	s.Logged("there is no dashboard")
	s.Logged("service-started")
}

// With a certificate only those who check it are answered, over TLS.
func TestTLS(t *testing.T) {
	h := newHost(t)
	pool := h.certificate()
	h.configure(rarely("www", ""), fmt.Sprintf("  listen: 127.0.0.1:0\n  tls: { cert: %s, key: %s }\n%s", h.Path("cert.pem"), h.Path("key.pem"), noUpkeep))
	h.init()
	c := h.serve().api()
	if !strings.HasPrefix(c.url, "https://") {
		t.Fatalf("it listens at %s", c.url)
	}
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	if info := seen[api.Service](c, "/service"); info.PID == 0 || len(info.RestoreDirs) != 1 {
		t.Errorf("it says %+v", info)
	}
	if _, err := get(http.DefaultClient, c.url+"healthz"); err == nil {
		t.Error("a certificate that nobody knows is trusted")
	}
	if text, err := get(http.DefaultClient, "http"+strings.TrimPrefix(c.url, "https")+"healthz"); err == nil && strings.Contains(text, "ok") {
		t.Error("it answers without TLS")
	}
}

func get(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// certificate writes one for this machine, and returns who trusts it.
func (h *host) certificate() *x509.CertPool {
	h.T.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.T.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		h.T.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		h.T.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	h.Write("cert.pem", string(cert))
	h.Write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// freePort is an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it was only to have one
	return l.Addr().String()
}

func randomText(bytes int) string {
	text := make([]byte, bytes)
	rand.Read(text) //nolint:errcheck // never fails
	return string(text)
}
