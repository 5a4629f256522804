// Command dashboard serves the dashboard on made-up plans, to look at it:
//
//	go run ./tools/dashboard -data usual -as admin
//
// It asks nobody to log in. A run goes on for ever, so that live progress is
// seen. With -pictures it takes the pictures of the documentation instead, in
// Chromium, and ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/web"
	"holdfast/internal/web/webtest"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9899", "where to listen")
	data := flag.String("data", "usual", "usual, hostile, empty or many")
	as := flag.String("as", "admin", "viewer, operator or admin; nobody for the login")
	pictures := flag.String("pictures", "", "a folder to write pictures to")
	flag.Parse()
	if err := show(*addr, *data, *as, *pictures); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

func show(addr, data, as, pictures string) error {
	now := time.Now()
	var b *webtest.Backend
	switch data {
	case "usual":
		b = webtest.Usual(now)
	case "hostile":
		b = webtest.Hostile(now)
	case "empty":
		b = webtest.Empty(now)
	case "many":
		b = webtest.Many(now, 1000)
	default:
		return fmt.Errorf("no data %q", data)
	}
	state, err := os.MkdirTemp("", "holdfast-show-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	guard, err := api.NewGuard(api.GuardOptions{StateDir: state, Log: log})
	if err != nil {
		return err
	}
	defer guard.Close()
	token, err := guard.FirstToken()
	if err != nil {
		return err
	}
	if pictures == "" {
		fmt.Println("token", token)
	}
	site := web.New(web.Options{Backend: b, Guard: guard, Log: log})
	if as != "nobody" {
		role, err := api.ParseRole(as)
		if err != nil {
			return err
		}
		site = named(api.Principal{Name: "alice", Role: role}, site)
	}
	go goOn(b)
	mux := http.NewServeMux()
	mux.Handle("/", site)
	mux.HandleFunc("GET /api/v1/updates", func(w http.ResponseWriter, r *http.Request) { updates(b, w, r) })
	if pictures != "" {
		return takePictures(guard.Middleware(mux), pictures)
	}
	return http.ListenAndServe(addr, guard.Middleware(mux)) //nolint:gosec // for looking at it
}

// named serves everybody as one person.
func named(p api.Principal, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(api.WithPrincipal(r.Context(), p)))
	})
}

// updates are server-sent events without anything in them.
func updates(b *webtest.Backend, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	changed := make(chan struct{}, 1)
	go func() {
		_ = b.Subscribe(r.Context(), func(api.Update) {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	for {
		_, _ = io.WriteString(w, "event: run\ndata: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// goOn lets the run that goes on go on.
func goOn(b *webtest.Backend) {
	for k := 0; ; k++ {
		time.Sleep(500 * time.Millisecond)
		r, err := b.Run(context.Background(), "run-live")
		if err != nil {
			return
		}
		p := *r.Progress
		p.Percent = float64(k%1000) / 10
		p.BytesDone = uint64(p.Percent / 100 * float64(p.BytesTotal))
		r.Progress = &p
		b.AddLog(r.ID, fmt.Sprintf("line %d\n", k))
		b.SetRun(*r)
	}
}
