package unit

import (
	"context"
	"fmt"
)

// Plan is what installing or removing would change.
type Plan struct {
	// Steps are done one after the other; none if everything is as it should
	// be.
	Steps []Step `json:"steps"`
	// Notes are what a person has to do, or should know.
	Notes []string `json:"notes"`
	// File is the unit or drop-in, and Text what it will be; "" for none.
	File string `json:"file,omitempty"`
	Text string `json:"text,omitempty"`
}

// Step is one change.
type Step struct {
	What string `json:"what"`
	do   func(context.Context) error
}

func (p *Plan) step(do func(context.Context) error, what string, args ...any) {
	p.Steps = append(p.Steps, Step{fmt.Sprintf(what, args...), do})
}

func (p *Plan) note(text string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(text, args...))
}

// Execute does the steps. After an error it can be planned and executed again.
func (p *Plan) Execute(ctx context.Context) error {
	for _, s := range p.Steps {
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.What, err)
		}
	}
	return nil
}
