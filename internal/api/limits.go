package api

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// Requests a second that one principal may send on average, and at once:
	// many times what a dashboard or a program that watches sends.
	principalRate  = 300
	principalBurst = 600
	// The same for requests that may change something. Each is in the audit log,
	// of which only the newest part is kept: nobody can push out of it within
	// hours what they did.
	actRate  = 1
	actBurst = 300
	// The same for one address that shows nothing that is known: for the page
	// to log in with what belongs to it.
	strangerRate  = 20
	strangerBurst = 100
	// A token that is wrong costs its address one of failureBurst tries, and
	// one comes back every failureEvery.
	failureBurst = 10
	failureEvery = 6 * time.Second

	// maxLimiters bounds who is kept count of; limiters that were not used for
	// limiterIdle have nothing to tell.
	maxLimiters = 10_000
	limiterIdle = 5 * time.Minute
)

// limiters are a limiter for each name. When there are too many names all
// others share one.
type limiters struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu     sync.Mutex
	byName map[string]*limiter
	swept  time.Time
	others *rate.Limiter
}

type limiter struct {
	*rate.Limiter

	used time.Time
}

func newLimiters(limit rate.Limit, burst int, now func() time.Time) *limiters {
	return &limiters{limit: limit, burst: burst, now: now, byName: make(map[string]*limiter), others: rate.NewLimiter(limit, burst)}
}

// take takes one from a name's share, or returns after how long there is one.
func (l *limiters) take(name string) (wait time.Duration) {
	now := l.now()
	r := l.of(name, now).ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

func (l *limiters) of(name string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.byName[name]; one != nil {
		one.used = now
		return one.Limiter
	}
	if len(l.byName) >= maxLimiters && now.Sub(l.swept) > limiterIdle/10 {
		l.swept = now
		for other, one := range l.byName {
			if now.Sub(one.used) > limiterIdle {
				delete(l.byName, other)
			}
		}
	}
	if len(l.byName) >= maxLimiters {
		return l.others
	}
	one := &limiter{rate.NewLimiter(l.limit, l.burst), now}
	l.byName[name] = one
	return one.Limiter
}

// addressOf returns who a request comes from, as far as limits are concerned:
// of IPv6 the network that one customer has.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // a socket, or a test
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	network, _ := ip.Prefix(64)
	return network.String()
}

// TooManyError says that somebody asks too often, and when they may again.
type TooManyError struct{ Wait time.Duration }

func (e *TooManyError) Error() string {
	return "too many requests; try again in " + strconv.Itoa(e.seconds()) + " s"
}

// seconds is for the header Retry-After.
func (e *TooManyError) seconds() int { return max(1, int((e.Wait+time.Second-1)/time.Second)) }
