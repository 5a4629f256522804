package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// rounds runs every tool on every data set as often as wanted.
type rounds struct {
	opts  options
	sets  []dataSet
	tools []contestant
	// settle makes disks and memory alike for all before each step.
	settle func()
	far    *far   // where repositories lie; nil for this machine's disk
	attic  *attic // where restored trees go
}

// cycle is the outcome of one tool going once through the steps on one set.
type cycle struct {
	Set   string         `json:"set"`
	Tool  string         `json:"tool"`
	Round int            `json:"round"`
	Usage map[step]usage `json:"usage"`
	Sizes map[step]int64 `json:"repository_bytes"` // after the step
	Error string         `json:"error,omitempty"`  // what ended the cycle early
}

// run goes set by set, round by round, tool by tool. A tool that fails is
// recorded as failed and the others go on; only an interrupt, or a data set
// that cannot be put back, ends the run.
func (r rounds) run(ctx context.Context) ([]cycle, error) {
	var err error
	if r.attic, err = newAttic(r.opts.root); err != nil {
		return nil, err
	}
	defer r.attic.clear() //nolint:errcheck // the next run tries again
	if slices.Contains(r.opts.steps, stepRestore) {
		if err := r.attic.wait(ctx); err != nil {
			return nil, err
		}
	}
	var cycles []cycle
	for _, set := range r.sets {
		for round := range r.opts.runs {
			for _, c := range r.tools {
				done := r.cycle(ctx, set, c, round)
				if err := set.revert(); err != nil {
					return nil, err
				}
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				fmt.Fprintln(os.Stderr, done.summary())
				cycles = append(cycles, done)
			}
		}
	}
	return cycles, nil
}

// cycle takes one tool through the steps.
func (r rounds) cycle(ctx context.Context, set dataSet, c contestant, round int) cycle {
	out := cycle{Set: set.name, Tool: c.name, Round: round, Usage: map[step]usage{}, Sizes: map[step]int64{}}
	fail := func(err error) cycle { out.Error = err.Error(); return out }
	at := site{base: filepath.Join(r.opts.root, "work", c.name), source: set.dir}
	err := at.prepare()
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(at.base)
	if r.far != nil {
		if at.far, err = r.far.newBucket(ctx); err != nil {
			return fail(err)
		}
		defer r.far.remove(at.far)
	}
	log, err := r.log(set, c)
	if err != nil {
		return fail(err)
	}
	if err := set.warm(ctx); err != nil {
		return fail(fmt.Errorf("warming the page cache: %w", err))
	}
	for _, s := range r.opts.steps {
		if s == stepChanged {
			if err := set.change(); err != nil {
				return fail(err)
			}
		}
		if s.isBackup() {
			at.backups++
		}
		out.Usage[s], err = r.measureStep(ctx, s, c.tool, at, log)
		if err != nil {
			delete(out.Usage, s)
			return fail(fmt.Errorf("%s: %w", s, err))
		}
		if err := r.after(ctx, &out, s, at); err != nil {
			return fail(fmt.Errorf("after %s: %w", s, err))
		}
	}
	return out
}

// measureStep runs the commands of a step and adds up their cost.
func (r rounds) measureStep(ctx context.Context, s step, t tool, at site, log string) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.limit)
	defer cancel()
	env := append(os.Environ(), "HOME="+at.home(), "TMPDIR="+at.home())
	env = append(env, at.far.env()...)
	env = append(env, t.env(at)...)
	r.settle()
	before := r.far.reading()
	var total usage
	for _, argv := range t.commands(s, at) {
		u, err := measure(ctx, at.source, env, log, argv)
		if err != nil {
			return usage{}, err
		}
		total = total.then(u)
	}
	total.Far = r.far.reading().since(before)
	return total, nil
}

// after looks at what the step left: the size of the repository, and whether a
// restored tree is the source.
func (r rounds) after(ctx context.Context, c *cycle, s step, at site) error {
	if s.sizesRepository() {
		size, err := r.repositorySize(ctx, at)
		if err != nil {
			return err
		}
		c.Sizes[s] = size
	}
	if s != stepRestore {
		return nil
	}
	if err := sameTree(at.source, at.restoredSource()); err != nil {
		return fmt.Errorf("the restored tree is not the source: %w", err)
	}
	return r.attic.take(at.restored())
}

func (r rounds) repositorySize(ctx context.Context, at site) (int64, error) {
	if r.far != nil {
		return r.far.size(ctx, at.far)
	}
	return folderSize(at.repository())
}

// summary is one line for whoever watches.
func (c cycle) summary() string {
	line := fmt.Sprintf("%s %s round %d:", c.Set, c.Tool, c.Round+1)
	for _, s := range allSteps() {
		if u, ok := c.Usage[s]; ok {
			line += fmt.Sprintf(" %s %.1f s CPU %.1f s %d MiB;", s, u.CPUSeconds, u.WallSeconds, u.PeakBytes>>20)
			if u.Far != nil {
				line += " (" + u.Far.String() + ")"
			}
		}
	}
	if c.Error != "" {
		line += " FAILED: " + c.Error
	}
	return line
}

// prepare makes the site's folders, removing what a killed run left there.
func (s site) prepare() error {
	if err := os.RemoveAll(s.base); err != nil {
		return err
	}
	return os.MkdirAll(s.home(), 0o755)
}

// restoredSource is where the source's content lies in the restored tree: some
// tools restore it under its absolute path.
func (s site) restoredSource() string {
	if nested := filepath.Join(s.restored(), s.source); isDir(nested) {
		return nested
	}
	return s.restored()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// log returns the file that the tool's output goes to.
func (r rounds) log(set dataSet, c contestant) (string, error) {
	dir := filepath.Join(r.opts.root, "log")
	return filepath.Join(dir, c.name+"-"+set.name+".log"), os.MkdirAll(dir, 0o755)
}

// of returns the finished cycles of one tool on one set.
func of(cycles []cycle, set, tool string) []cycle {
	return slices.DeleteFunc(slices.Clone(cycles), func(c cycle) bool { return c.Set != set || c.Tool != tool })
}
