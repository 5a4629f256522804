package line

import (
	"testing"
	"time"

	"holdfast/test/wan"
)

// sampleEvery is how often a line is looked at while a command runs.
const sampleEvery = 20 * time.Millisecond

// busy is how much of some time a line was sending.
type busy struct {
	bytes int64
	took  time.Duration
	// whole is the share of all that time, and flowing that of the time from
	// the first of the data to the last: without what a command does before it
	// may begin and once it is done.
	whole, flowing float64
}

// sample is what had gone over a line at an instant.
type sample struct {
	at   time.Duration // since the beginning
	used wan.Usage
}

// watch looks at a line until the returned function is called.
func watch(usage func() wan.Usage) (stop func() busy) {
	before, start := usage(), time.Now()
	quit, ended := make(chan struct{}), make(chan []sample)
	go func() {
		var all []sample
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			all = append(all, sample{time.Since(start), usage().Since(before)})
			select {
			case <-quit:
				ended <- append(all, sample{time.Since(start), usage().Since(before)})
				return
			case <-tick.C:
			}
		}
	}()
	return func() busy {
		close(quit)
		return judge(<-ended)
	}
}

// judge finds out how busy a line was. The data begins with the first hundredth
// of the bytes, and ends with the last.
func judge(all []sample) busy {
	last := all[len(all)-1]
	b := busy{bytes: last.used.Bytes, took: last.at, whole: last.used.Share(last.at)}
	var from, to sample
	for _, s := range all {
		if s.used.Bytes*100 <= last.used.Bytes {
			from = s
		}
		if s.used.Bytes*100 <= 99*last.used.Bytes {
			to = s
		}
	}
	if to.at > from.at {
		b.flowing = to.used.Since(from.used).Share(to.at - from.at)
	}
	return b
}

func TestJudge(t *testing.T) {
	second := func(at int, megabytes int64, busy float64) sample {
		return sample{time.Duration(at) * time.Second, wan.Usage{Bytes: megabytes << 20, Busy: time.Duration(busy * float64(time.Second))}}
	}
	// Two seconds nothing, four of data, of which one is lost, two nothing.
	got := judge([]sample{
		second(0, 0, 0), second(2, 0, 0), second(3, 100, 1), second(4, 200, 2), second(5, 200, 2), second(6, 297, 2.97), second(8, 300, 3),
	})
	if got.whole != 3.0/8 || got.flowing < 0.74 || got.flowing > 0.75 {
		t.Errorf("%+v", got)
	}
}
