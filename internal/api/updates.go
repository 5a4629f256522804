package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// keptUpdates is how many updates a listener may miss and still go on from
	// where it was.
	keptUpdates = 1024
	// queuedUpdates is how far a listener may lag before it loses some.
	queuedUpdates = 256
	// maxListeners bounds who listens to updates or follows a log, and
	// listenersEach who does with the same token.
	maxListeners  = 256
	listenersEach = 64
	// heartbeat keeps connections open through whatever lies between, and is
	// how soon a listener that may no longer listen is gone at the latest.
	heartbeat = 10 * time.Second
	// retryAfter tells browsers when to come again, in milliseconds.
	retryAfter = 1000
)

var errClosing = errors.New("the service is stopping")

// numbered is an update as it goes out.
type numbered struct {
	number uint64
	text   []byte
}

// hub hands each update to all who listen. Nobody holds up anybody.
type hub struct {
	// era tells the numbers of this process from those of another.
	era string

	mu        sync.Mutex
	done      chan struct{}
	last      uint64
	kept      []numbered // the newest, oldest first
	listeners map[*listener]bool
}

type listener struct {
	who     string
	updates chan numbered
	lost    bool // guarded by hub.mu
}

func newHub() *hub {
	return &hub{era: rand.Text()[:8], done: make(chan struct{}), listeners: make(map[*listener]bool)}
}

// publish hands an update to all. It returns at once.
func (h *hub) publish(u Update) {
	text, err := encode(u)
	if err != nil { // a type of this package that is no JSON is a mistake here
		panic("api: " + err.Error())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	n := numbered{h.last, text}
	if len(h.kept) == keptUpdates {
		h.kept = append(h.kept[:0], h.kept[1:]...)
	}
	h.kept = append(h.kept, n)
	for l := range h.listeners {
		select {
		case l.updates <- n:
		default:
			l.lost = true
		}
	}
}

// listen begins to listen for who. after is the ID of the last update that was
// seen, "" for from now on; missed are those since then, and lost tells that
// some of them are gone.
func (h *hub) listen(who, after string) (l *listener, missed []numbered, lost bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	same := 0
	for other := range h.listeners {
		if other.who == who {
			same++
		}
	}
	switch {
	case h.isDone():
		return nil, nil, false, fmt.Errorf("%w: %w", ErrUnavailable, errClosing)
	case len(h.listeners) >= maxListeners, same >= listenersEach:
		return nil, nil, false, fmt.Errorf("%w: %d listen already, %d of them with this token", errBusy, len(h.listeners), same)
	}
	l = &listener{who: who, updates: make(chan numbered, queuedUpdates)}
	h.listeners[l] = true
	missed, lost = h.since(after)
	return l, missed, lost, nil
}

// since returns the updates after an ID, and whether some of them are gone.
func (h *hub) since(id string) (missed []numbered, lost bool) {
	if id == "" {
		return nil, false
	}
	era, digits, _ := strings.Cut(id, "-")
	number, err := strconv.ParseUint(digits, 10, 64)
	if era != h.era || err != nil || number > h.last {
		return nil, true
	}
	oldest := h.last - uint64(len(h.kept)) // the number before the first that is kept
	if number < oldest {
		return nil, true
	}
	return append(missed, h.kept[number-oldest:]...), false
}

// leave ends listening.
func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
}

// hasLost tells whether a listener has lost updates since it was last asked.
func (h *hub) hasLost(l *listener) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	lost := l.lost
	l.lost = false
	return lost
}

// close ends all listening.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.isDone() {
		close(h.done)
	}
}

func (h *hub) isDone() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// serveUpdates writes what happens as server-sent events until the client
// leaves, may no longer listen, or the service stops.
func (s *Server) serveUpdates(w http.ResponseWriter, r *http.Request, _ none) error {
	p, _ := PrincipalOf(r.Context())
	l, missed, lost, err := s.hub.listen(p.Name, r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	defer s.hub.leave(l)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies pass on at once
	if r.Method == http.MethodHead {
		return nil
	}
	stream := &eventStream{w: w, era: s.hub.era}
	stream.printf("retry: %d\n\n", retryAfter)
	if lost {
		stream.lost()
	}
	for _, n := range missed {
		stream.send(n)
	}
	s.follow(r, l, stream)
	return nil
}

// follow passes on updates as they come.
func (s *Server) follow(r *http.Request, l *listener, stream *eventStream) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for stream.flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case <-s.hub.done:
			return
		case <-beat.C:
			if !s.guard.lasts(r.Context()) {
				return
			}
			stream.printf(": still here\n\n")
		case n := <-l.updates:
			if !s.guard.lasts(r.Context()) {
				return
			}
			stream.send(n)
			for range len(l.updates) { // what has come meanwhile goes out with it
				stream.send(<-l.updates)
			}
			if s.hub.hasLost(l) {
				stream.lost()
			}
		}
	}
}

// eventStream writes server-sent events; the first error stays.
type eventStream struct {
	w   http.ResponseWriter
	era string
	err error
}

func (e *eventStream) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (e *eventStream) send(n numbered) { e.printf("id: %s-%d\ndata: %s\n", e.era, n.number, n.text) } // the text ends with a newline

// lost says that updates are missing. It has no ID: who comes again from here
// is told again.
func (e *eventStream) lost() {
	text, _ := json.Marshal(Update{Lost: true}) // always fits
	e.printf("data: %s\n\n", text)
}

func (e *eventStream) flush() error {
	if e.err == nil {
		e.err = http.NewResponseController(e.w).Flush()
	}
	return e.err
}
