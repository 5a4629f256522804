package browser

import (
	"fmt"
	"testing"
	"time"

	"holdfast/test/program"
)

// usual is a host where something of each kind was done: backups and copies, a
// failure, a restore test, a hold, a pause, a token, and a run that goes on.
func usual(t *testing.T) (*host, *running) {
	t.Helper()
	h := newHost(t)
	h.configure("127.0.0.1:0", map[string]string{
		"letters": ", copies: [{ to: offsite }], objectives: { rpo: 1d, rto: 1h }, restore_test: { schedule: \"0 4 1 1 *\" }",
		"orders":  `, hooks: { before: [{ command: [/bin/sh, -c, "echo the disk /mnt/orders is not there >&2; exit 1"] }] }`,
		"photos":  ", limits: { upload: 100K }",
		"films":   ", limits: { upload: 16M }",
	})
	h.Write("letters/letter to Ann.txt", "dear Ann")
	h.Write("letters/2026/letter to Bob.txt", "dear Bob")
	h.Write("orders/1.json", "{}")
	h.Write("photos/large.raw", random(64<<20))
	// More than is read ahead of what is written.
	h.Write("films/large.raw", random(256<<20))
	h.init()
	h.Holdfast.Run(t, "plan", "run", "-q", "letters")
	h.Write("letters/letter to Ann.txt", "dear Ann, once more")
	h.Holdfast.Run(t, "plan", "run", "-q", "letters")
	h.Holdfast.Run(t, "verify", "-q", "--plan", "letters")
	h.Holdfast.Run(t, "hold", "place", "-q", "-r", "main", "--plan", "letters", "--reason", "the audit")
	s := h.serve()
	h.Holdfast.Run(t, "token", "create", "--name", "reader", "--role", "viewer")
	h.Holdfast.Run(t, "run", "start", "plans/orders/backup")
	h.ended("orders", "backup", "failed")
	h.Holdfast.Run(t, "run", "start", "plans/photos/backup")
	return h, s
}

// run is a run of the history, as far as it is looked at.
type run struct {
	ID, Plan, Job, Outcome, Reason string
}

// ended waits for a run of a plan that ended in some way.
func (h *host) ended(plan, job, outcome string) run {
	h.T.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		for _, r := range program.JSON[run](h.T, h.Holdfast, "run", "list", "-n", "0") {
			if r.Plan == plan && r.Job == job && r.Outcome == outcome {
				return r
			}
		}
		if time.Now().After(end) {
			h.T.Fatal(fmt.Errorf("no %s of %s has %s", job, plan, outcome))
		}
	}
}
