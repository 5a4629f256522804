package web

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/api"
)

// runData is what the page of a run shows.
type runData struct {
	api.Run

	sign

	// Again is the job that it was a run of, nil for one that cannot be run
	// again from here.
	Again   *api.Job
	Figures []figure
	Took    time.Duration
	// Log is the end of its log, LogAt how far that is read, LogCut whether
	// there is more before it.
	Log    string
	LogAt  int64
	LogCut bool
	// LogError is why the log cannot be read.
	LogError string
}

// figure is a measurement of a run.
type figure struct{ Name, Value string }

func (s *site) run(r *http.Request) (*page, error) {
	found, err := s.Backend.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d := &runData{Run: *found, sign: outcomeSign(found.Outcome), Figures: figuresOf(found.Figures)}
	if !found.Started.IsZero() {
		d.Took = cmpTime(found.Ended, time.Now()).Sub(found.Started)
	}
	if found.HasLog && r.Header.Get(liveHeader) == "" {
		if err := s.readLogEnd(r, d); err != nil {
			d.LogError = err.Error() // the rest of the page is worth seeing
		}
	}
	if found.Outcome != api.Running {
		if d.Again, err = s.jobOf(r, found); err != nil {
			return nil, err
		}
	}
	p := &page{Title: strings.TrimSpace(jobName(found.Job) + " " + found.Plan), Area: "/runs", Template: "run.html", Data: d}
	if found.Outcome == api.Running {
		p.Refresh = 5
	}
	return p, nil
}

// jobOf finds the job that has such runs. A restore or the like is none.
func (s *site) jobOf(r *http.Request, run *api.Run) (*api.Job, error) {
	jobs, err := s.Backend.Jobs(r.Context())
	if err != nil {
		return nil, err
	}
	var same []*api.Job
	for k := range jobs {
		j := &jobs[k]
		if j.LastRun == run.ID {
			return j, nil
		}
		if j.Kind == run.Job && j.Plan == run.Plan && (j.Repository == "" || j.Repository == run.Repository) {
			same = append(same, j)
		}
	}
	if len(same) != 1 {
		return nil, nil //nolint:nilnil // there is none, or it is not known which
	}
	return same[0], nil
}

// figuresOf writes measurements by what their names say they are.
func figuresOf(figures map[string]float64) []figure {
	var all []figure
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		v := figures[name]
		f := figure{Name: strings.ReplaceAll(name, "_", " "), Value: strconv.FormatFloat(v, 'f', -1, 64)}
		switch {
		case strings.HasSuffix(name, "_bytes_per_second"):
			f.Name, f.Value = strings.TrimSuffix(f.Name, " bytes per second"), formatBytes(v)+"/s"
		case strings.HasSuffix(name, "_bytes"):
			f.Name, f.Value = strings.TrimSuffix(f.Name, " bytes"), formatBytes(v)
		case strings.HasSuffix(name, "_seconds"):
			f.Name, f.Value = strings.TrimSuffix(f.Name, " seconds"), formatSpan(seconds(v))
		case v == float64(int64(v)):
			f.Value = formatCount(int64(v))
		}
		f.Name = strings.ToUpper(f.Name[:min(1, len(f.Name))]) + f.Name[min(1, len(f.Name)):]
		all = append(all, f)
	}
	return all
}

// Late tells whether it began noticeably after it was due.
func (d *runData) Late() bool { return !d.Due.IsZero() && d.Started.Sub(d.Due) > time.Minute }

// Speed is how fast the source was read, 0 for not known.
func (d *runData) Speed() float64 {
	if d.Took <= 0 || d.Bytes == 0 {
		return 0
	}
	return float64(d.Bytes) / d.Took.Seconds()
}

// Slowest is how long the longest phase took, to draw the others beside it.
func (d *runData) Slowest() float64 {
	slowest := 0.0
	for _, p := range d.Phases {
		slowest = max(slowest, p.Took)
	}
	return cmp.Or(slowest, 1)
}

func (s *site) stopPage(r *http.Request) (*page, error) {
	found, err := s.Backend.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return &page{Title: "Stop this run?", Area: "/runs", Template: "stop.html", Data: found}, nil
}

func (s *site) stop(r *http.Request) (*done, error) {
	id := r.PathValue("id")
	if err := s.Backend.StopRun(r.Context(), id); err != nil {
		return nil, err
	}
	return &done{To: runURL(id), Said: "The run is told to end."}, nil
}
