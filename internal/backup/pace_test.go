package backup

import (
	"math/rand/v2"
	"testing"

	"holdfast/internal/source"
)

// medium is the throughput of so many readers.
type medium func(readers float64) float64

var (
	// Each reader waits for the network, up to what the line carries.
	remote = func(line float64) medium { return func(n float64) float64 { return min(n, line) } }
	// Heads go to and fro between files.
	seeking medium = func(n float64) float64 { return 1 / (1 + 0.3*(n-1)) }
	// The processors are what takes the time.
	computing medium = func(float64) float64 { return 1 }
	// Fast, with ever less to gain.
	queued medium = func(n float64) float64 { return n / (3 + n) }
)

// follow lets a pace measure a medium and returns how many readers there were
// on average in the second half, and at most then.
func follow(p *pace, m medium, measurements int, noise float64) (mean float64, most int) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	n, sum := p.readers, 0
	for i := range measurements {
		n = p.measured(m(float64(n)) * (1 + noise*(2*rng.Float64()-1)))
		if i >= measurements/2 {
			sum += n
			most = max(most, n)
		}
	}
	return float64(sum) / float64(measurements-measurements/2), most
}

func TestPaceFindsWhatAMediumNeeds(t *testing.T) {
	local := source.Concurrency{Least: 2, Start: 2, Most: 8}
	network := source.Concurrency{Least: 2, Start: 8, Most: 32}
	disk := source.Concurrency{Least: 1, Start: 2, Most: 2}
	for name, c := range map[string]struct {
		limits     source.Concurrency
		m          medium
		noise      float64
		fewest     float64 // readers on average, when it has settled
		mostOnMean float64
	}{
		"long line":           {network, remote(100), 0, 31, 32},
		"line of 12 readers":  {network, remote(12), 0, 10, 16},
		"line of 3 readers":   {network, remote(3), 0, 2, 5},
		"rotating":            {disk, seeking, 0, 1, 1.2},
		"rotating as flash":   {local, seeking, 0, 2, 2.2},
		"processors busy":     {local, computing, 0, 2, 2.2},
		"flash":               {local, queued, 0, 4, 8},
		"noisy line":          {network, remote(100), 0.05, 25, 32},
		"noisy processors":    {local, computing, 0.05, 2, 3},
		"noisy rotating disk": {disk, seeking, 0.1, 1, 1.3},
	} {
		t.Run(name, func(t *testing.T) {
			mean, most := follow(newPace(c.limits), c.m, 400, c.noise)
			if mean < c.fewest || mean > c.mostOnMean || most > c.limits.Most {
				t.Errorf("%.2f readers on average, want %v to %v; at most %d", mean, c.fewest, c.mostOnMean, most)
			}
		})
	}
}

// What a medium needs changes: somebody else uses it, or no longer.
func TestPaceFollowsChanges(t *testing.T) {
	p := newPace(source.Concurrency{Least: 2, Start: 2, Most: 32})
	if mean, _ := follow(p, computing, 300, 0); mean > 2.2 {
		t.Errorf("with the processors busy: %.2f readers", mean)
	}
	if mean, _ := follow(p, remote(100), 300, 0); mean < 30 {
		t.Errorf("then on a long line: %.2f readers", mean)
	}
	if mean, _ := follow(p, seeking, 600, 0); mean > 4 {
		t.Errorf("then on a disk: %.2f readers", mean)
	}
}

// A medium that is fast with more readers is used in seconds, not minutes.
func TestPaceIsQuickAtFirst(t *testing.T) {
	p := newPace(source.Concurrency{Least: 2, Start: 2, Most: 8})
	n := p.readers
	for range 12 { // six seconds
		n = p.measured(float64(n))
	}
	if n != 8 {
		t.Errorf("%d readers after 6 seconds, want 8", n)
	}
}

func TestPaceKeepsWhatIsFixed(t *testing.T) {
	if p := newPace(source.Exactly(3)); !p.fixed() || p.readers != 3 {
		t.Errorf("%+v", p)
	}
}
