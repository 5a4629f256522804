package console

import (
	"context"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
)

// asked is something that a person asks for, which becomes a run.
type asked struct {
	kind                     history.Job
	plan, source, repository string
	mode                     controller.Mode
	// beside says that it waits for nobody, also where upkeep has the repository
	// for itself.
	beside bool
	args   []string
	// input is what the process reads, such as what is not for a list of
	// processes.
	input []byte
}

// ask begins it, and returns the ID of its run.
func (c *Console) ask(ctx context.Context, a asked) (string, error) {
	defer c.forgetStatus()
	job := controller.Job{Plan: a.plan, Kind: a.kind, Repository: a.repository, Work: c.o.Work(a.args, a.input)}
	if a.repository != "" && !a.beside {
		job.Uses = []controller.Use{{Repository: a.repository, Mode: a.mode}}
	}
	run, err := c.o.Controller.Ask(ctx, controller.Request{By: asker(ctx), Job: job, Source: a.source})
	if err != nil {
		return "", meaning(err)
	}
	api.Note(ctx, "run", run)
	return run, nil
}

// CheckPlans implements api.Operator.
func (c *Console) CheckPlans(ctx context.Context) (string, error) {
	return c.ask(ctx, asked{kind: history.PlanCheck, args: []string{"plan", "validate"}})
}

// command is what does the same on the command line.
func (c *Console) command(args ...string) []string {
	return append(append([]string{"holdfast"}, args...), "--config", c.o.ConfigPath)
}
