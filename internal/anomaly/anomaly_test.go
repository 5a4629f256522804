package anomaly_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/anomaly"
)

// machine simulates what is backed up from one day to the next.
type machine struct {
	rng   *rand.Rand
	day   int
	files uint64
	bytes uint64
	rows  uint64
	runs  []anomaly.Run
}

const fileSize = 200_000

func newMachine(seed uint64, files uint64) *machine {
	m := &machine{rng: rand.New(rand.NewPCG(seed, 1)), files: files, bytes: files * fileSize, rows: 10 * files}
	m.runs = []anomaly.Run{m.run(anomaly.Run{New: files, Added: m.bytes, Stored: m.bytes / 2, Whole: true})}
	return m
}

// run completes a run with what is there now.
func (m *machine) run(r anomaly.Run) anomaly.Run {
	m.day++
	r.Time = time.Date(2026, 1, m.day, 2, 0, 0, 0, time.UTC)
	r.Snapshot = fmt.Sprint("day-", m.day)
	r.Files, r.Bytes, r.Rows = m.files, m.bytes, m.rows
	return r
}

// between returns a share of n between two.
func (m *machine) between(n uint64, low, high float64) uint64 {
	return uint64(float64(n) * (low + (high-low)*m.rng.Float64()))
}

// change makes shares of new, changed and deleted files, and compresses what
// they hold to a share.
func (m *machine) change(newShare, changed, deleted, stored float64) anomaly.Run {
	about := func(share float64) uint64 { return m.between(m.files, 0.6*share, 1.4*share) }
	r := anomaly.Run{New: about(newShare), Changed: min(m.files, about(changed))}
	gone := min(m.files, about(deleted))
	r.Added = (r.New + r.Changed) * fileSize
	r.Stored = m.between(r.Added, 0.95*stored, min(1, 1.05*stored))
	m.rows += r.New
	m.files += r.New - gone
	m.bytes = m.files * fileSize
	return m.run(r)
}

func (m *machine) judge(r anomaly.Run) *anomaly.Verdict {
	return anomaly.Judge(m.runs, r, anomaly.Defaults())
}

// live lets days pass that must not be anomalous.
func (m *machine) live(t *testing.T, days int, day func(day int) anomaly.Run) {
	t.Helper()
	for n := range days {
		r := day(n)
		if v := m.judge(r); v.Anomalous {
			t.Fatalf("day %d is called anomalous: %s", n, v.Reason())
		}
		m.runs = append(m.runs, r)
	}
}

func (m *machine) quietDay(int) anomaly.Run { return m.change(0.003, 0.01, 0.001, 0.5) }

func TestNormalLivesAreNotAnomalous(t *testing.T) {
	for name, day := range map[string]func(m *machine) func(int) anomaly.Run{
		"quiet":           func(m *machine) func(int) anomaly.Run { return m.quietDay },
		"nothing happens": func(m *machine) func(int) anomaly.Run { return func(int) anomaly.Run { return m.change(0, 0, 0, 0) } },
		"steady growth": func(m *machine) func(int) anomaly.Run {
			return func(int) anomaly.Run { return m.change(0.02, 0.01, 0, 0.5) }
		},
		"rotating backups": func(m *machine) func(int) anomaly.Run {
			return func(int) anomaly.Run { return m.change(0.1, 0, 0.1, 0.99) }
		},
		"a database": func(m *machine) func(int) anomaly.Run {
			return func(int) anomaly.Run { return m.change(0.01, 0.9, 0.01, 0.3) }
		},
		"an import on Sundays": func(m *machine) func(int) anomaly.Run {
			return func(n int) anomaly.Run {
				if n%7 == 6 {
					return m.change(0.25, 0.05, 0.2, 0.6)
				}
				return m.quietDay(n)
			}
		},
		"busy weeks, still weekends": func(m *machine) func(int) anomaly.Run {
			return func(n int) anomaly.Run {
				if n%7 >= 5 {
					return m.change(0, 0.0001, 0, 0.5)
				}
				return m.change(0.01, 0.07, 0.005, 0.5)
			}
		},
		"a full backup on Sundays": func(m *machine) func(int) anomaly.Run {
			return func(n int) anomaly.Run {
				r := m.quietDay(n)
				if n%7 == 6 {
					r.Whole, r.New, r.Changed = true, r.Files, 0
				}
				return r
			}
		},
		"photos now and then": func(m *machine) func(int) anomaly.Run {
			return func(n int) anomaly.Run {
				if n%23 == 22 {
					return m.change(0.6, 0.001, 0, 0.999)
				}
				return m.quietDay(n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				m := newMachine(seed, 20_000)
				first := func(n int) anomaly.Run { // the pattern's first weeks are new to anybody
					r := day(m)(n)
					return r
				}
				if name == "an import on Sundays" {
					for n := range 28 {
						m.runs = append(m.runs, first(n))
					}
				}
				m.live(t, 120, first)
			}
		})
	}
}

func TestAttacksAndAccidentsAreCaught(t *testing.T) {
	for name, c := range map[string]struct {
		attack func(m *machine) anomaly.Run
		want   []string
	}{
		"all files encrypted in place": {
			func(m *machine) anomaly.Run { return m.change(0, 0.9, 0, 1) }, []string{"changed", "added", "incompressible"},
		},
		"all files encrypted before a full backup": {
			func(m *machine) anomaly.Run {
				r := m.change(0, 0.9, 0, 1)
				r.Whole, r.New, r.Changed = true, r.Files, 0
				return r
			}, []string{"added", "incompressible"},
		},
		"all files encrypted after a night that touched them all": {
			func(m *machine) anomaly.Run {
				touched := m.quietDay(0)
				touched.Changed = touched.Files // but nothing in them
				m.runs = append(m.runs, touched)
				return m.change(0, 0.9, 0, 1)
			}, []string{"added", "incompressible"},
		},
		"a third of the files encrypted in place": {
			func(m *machine) anomaly.Run { return m.change(0, 0.33, 0, 1) }, []string{"changed", "added", "incompressible"},
		},
		"files encrypted under new names": {
			func(m *machine) anomaly.Run { return m.change(0.7, 0, 0.7, 1) }, []string{"deleted", "added", "incompressible"},
		},
		"half of the files deleted": {
			func(m *machine) anomaly.Run { return m.change(0, 0.001, 0.5, 0.5) }, []string{"deleted", "shrunk"},
		},
		"all files overwritten with nothing": {
			func(m *machine) anomaly.Run {
				r := m.change(0, 0.9, 0, 0.01)
				r.Bytes, r.Added, r.Stored = r.Bytes/10, 100, 50
				return r
			}, []string{"changed", "shrunk"},
		},
		"tables emptied": {
			func(m *machine) anomaly.Run {
				r := m.change(0, 0.01, 0, 0.5)
				r.Rows, r.Bytes = r.Rows/3, r.Bytes/2
				return r
			}, []string{"rows", "shrunk"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				m := newMachine(seed, 20_000)
				m.live(t, 20+int(seed), m.quietDay)
				r := c.attack(m)
				v := m.judge(r)
				if !v.Anomalous || v.LastGood != m.runs[len(m.runs)-1].Snapshot {
					t.Fatalf("not caught: %s; the last good one is %q", v.Reason(), v.LastGood)
				}
				for _, want := range c.want {
					if !strings.Contains(fmt.Sprint(v.Signals), phrase(want)) {
						t.Errorf("no %q in %s", want, v.Reason())
					}
				}
				// The day after, the damage is what was there before.
				r.Suspect = true
				m.runs = append(m.runs, r)
				if v := m.judge(m.quietDay(0)); v.LastGood == r.Snapshot {
					t.Error("the anomalous snapshot is called good")
				}
			}
		})
	}
}

func phrase(name string) string {
	return anomaly.Signal{Name: name}.String()[:10]
}

func TestTooLittleIsKnown(t *testing.T) {
	m := newMachine(1, 1000)
	for range 3 {
		m.runs = append(m.runs, m.quietDay(0))
	}
	if v := m.judge(m.change(0, 0.9, 0, 1)); v.Anomalous {
		t.Errorf("after four runs: %s", v.Reason())
	}
}

// However much data only grows, it is no anomaly; and whatever figures come,
// the rule answers.
func TestGrowthIsNeverAnomalous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(rapid.Uint64().Draw(t, "seed"), 1+rapid.Uint64Range(0, 100_000).Draw(t, "files"))
		for range rapid.IntRange(0, 40).Draw(t, "days") {
			m.runs = append(m.runs, m.change(rapid.Float64Range(0, 1).Draw(t, "new"), rapid.Float64Range(0, 0.5).Draw(t, "changed"), 0, rapid.Float64Range(0, 1).Draw(t, "stored")))
		}
		if v := m.judge(m.change(rapid.Float64Range(0, 5).Draw(t, "growth"), 0, 0, 1)); v.Anomalous {
			t.Fatalf("growth is called anomalous: %s", v.Reason())
		}
	})
}

// A table that is emptied in the midst of a backup takes its bytes from that one,
// and its rows, which were counted before, from the next.
func TestHarmInTheMidstOfABackup(t *testing.T) {
	m := newMachine(7, 1000)
	m.live(t, 20, m.quietDay)
	good := m.runs[len(m.runs)-1].Snapshot
	m.bytes = m.bytes / 10 * 6
	first := m.run(anomaly.Run{Changed: 1})
	if v := m.judge(first); v.Anomalous || len(v.Signals) != 1 {
		t.Fatalf("half of the harm: %+v", v)
	}
	m.runs = append(m.runs, first)
	if v := m.judge(m.run(anomaly.Run{Changed: 1})); v.Anomalous {
		t.Errorf("one odd run is taken for harm after the next: %s", v.Reason())
	}
	m.rows = m.rows / 10 * 2
	v := m.judge(m.run(anomaly.Run{Changed: 1}))
	if !v.Anomalous || !strings.Contains(v.Reason(), "bytes gone: 4") || !strings.Contains(v.Reason(), "rows gone: 80") {
		t.Errorf("harm in two halves is not told: %+v", v)
	}
	if v.LastGood != good {
		t.Errorf("the last good snapshot is %s and should be %s", v.LastGood, good)
	}
}
