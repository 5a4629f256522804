// Package webtest is a service with made-up plans, for looking at the
// dashboard and for its tests: a usual one, an empty one, one with very many
// plans, and one whose every name and text is hostile.
package webtest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/event"
)

// Backend answers from what is in its fields.
type Backend struct {
	Info     api.Service
	AllPlans []api.Plan
	AllRuns  []api.Run // the newest first
	Logs     map[string]string
	AllTests []api.RestoreTest
	Repos    []api.Repository
	Sizes    map[string][]api.GrowthPoint
	History  []event.Event // the newest first
	Open     []event.Event
	Taken    []api.Snapshot
	Folders  map[string][]api.Entry // by path
	Reported *api.Report

	// Fail is what every method returns, nil for none.
	Fail error

	mu   sync.Mutex
	done []string
	subs map[int]func(api.Update)
	next int
}

var _ api.Backend = (*Backend)(nil)

// Done is what was asked for, in order.
func (b *Backend) Done() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.done...)
}

// act notes that something was asked for.
func (b *Backend) act(format string, args ...any) error {
	if b.Fail != nil {
		return b.Fail
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = append(b.done, fmt.Sprintf(format, args...))
	return nil
}

// Publish tells those who subscribed.
func (b *Backend) Publish(u api.Update) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, tell := range b.subs {
		tell(u)
	}
}

// SetRun puts a run in the place of the one with its ID, and tells it.
func (b *Backend) SetRun(r api.Run) {
	b.mu.Lock()
	for k := range b.AllRuns {
		if b.AllRuns[k].ID == r.ID {
			b.AllRuns[k] = r
		}
	}
	b.mu.Unlock()
	b.Publish(api.Update{Run: &r})
}

// Usual is a service with four plans, of which two are not as they should be,
// and a run that goes on.
func Usual(now time.Time) *Backend {
	now = now.Truncate(time.Second)
	names := naming{
		plans: []string{"shop", "www", "mail", "archive"}, repositories: []string{"local", "offsite"},
		host: "db1.example.com", path: "/srv/www", reason: "open /srv/www/uploads/2026: permission denied",
		log: "reading /srv/www\n", file: "report.pdf",
	}
	return made(now, names)
}

// Hostile is one whose names and texts try to be more than text.
func Hostile(now time.Time) *Backend {
	now = now.Truncate(time.Second)
	evil := `<script>alert("x")</script>'"><img src=x onerror=alert(1)>`
	names := naming{
		plans: []string{
			`a"><script>alert(1)</script>`, "\u202eevil\u202c & <b>", "x/../..?y=1#z %2f%00",
			"plan-with-a-name-that-is-" + repeated("very-", 40) + "long",
		},
		repositories: []string{`repo'"><svg onload=alert(1)>`, "javascript:alert(1)"},
		host:         evil, path: "/srv/" + evil, reason: evil + " {{.}} \u2066hidden\u2069",
		log:  evil + "\n\x1b[31mred\x1b[0m \x00 \xff\xfe\n</pre><script>alert(2)</script>\n", // A name of a file has no slash.
		file: strings.ReplaceAll(evil, "/", "") + "\xff\x1b[31m\u202e.txt",
	}
	return made(now, names)
}

// Empty is a service that has nothing to do yet.
func Empty(now time.Time) *Backend {
	return &Backend{Info: serviceInfo(now, "new.example.com", nil)}
}

// Many is one with n plans, of which each tenth is not safe.
func Many(now time.Time, n int) *Backend {
	names := Usual(now)
	b := &Backend{Info: names.Info, Repos: names.Repos, Logs: map[string]string{}}
	for k := range n {
		p := safePlan(now, fmt.Sprintf("customer-%04d", k), "local", "offsite", "/srv/customers")
		switch k % 10 {
		case 3:
			p = unsafePlan(now, p.Name, "local", "offsite", "/srv/customers", "the disk is full")
			b.Open = append(b.Open, failedEvent(now, p.Name, fmt.Sprintf("run-%04d", k), "the disk is full"))
			b.AllRuns = append(b.AllRuns, failedRun(now, fmt.Sprintf("run-%04d", k), p.Name, "local", "the disk is full"))
		case 7:
			p.Verdict, p.Why = api.AtRisk, "The copy offsite lags 3 h behind."
		}
		b.AllPlans = append(b.AllPlans, p)
	}
	b.History = b.Open
	return b
}

func repeated(s string, n int) string {
	out := ""
	for range n {
		out += s
	}
	return out
}
