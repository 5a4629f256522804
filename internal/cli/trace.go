package cli

import (
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/internal/trace"
)

// untraced are commands without a span of their own. The service tells of its
// runs and requests itself; for those that fetch and push log a database waits,
// thousands of times a day; and what is in a sandbox reaches nobody.
var untraced = [...]string{"serve", "wal push", "wal fetch", "sandbox", "version"}

// beginTrace has the command traced, if the environment asks for it, or the
// service that started this process does. What is wrong with that keeps nothing
// from being done.
func (c *command) beginTrace(cmd *cobra.Command) {
	for _, name := range untraced {
		if cmd.CommandPath() == "holdfast "+name {
			return
		}
	}
	warn := func(err error) { c.ui.warn("trace", "", err) }
	o := trace.Options{Version: Version, Warn: warn}
	// Of this process alone the service waits for a report: not of what it starts.
	if c.reporter != nil && !trace.Asked() && os.Getenv(trace.EnvParent) != "" {
		if cfg, err := c.loadConfig(); err == nil { // the command itself tells
			if o.Endpoint, o.Headers, err = service.TracesTo(cmd.Context(), cfg); err != nil {
				warn(err)
			}
		}
	}
	tracer, err := trace.Open(o)
	if err != nil {
		warn(err)
	}
	if tracer == nil {
		return
	}
	ctx, span := trace.Start(tracer.Attach(trace.Join(cmd.Context())), cmd.CommandPath(), slog.String("run", os.Getenv(service.EnvRun)))
	cmd.SetContext(ctx)
	c.endTrace = func(code int) {
		span.Set(slog.Int("process.exit.code", code))
		var err error
		if code != exitOK {
			err = errors.New(c.failure)
		}
		span.End(err)
		tracer.Close()
	}
}
