package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"holdfast/internal/api"
	"holdfast/internal/cli"
)

// Every command is done by an operation of the API, or it is said why not; and
// what is said is so.
func TestNoCommandIsForgotten(t *testing.T) {
	known := map[string]bool{}
	for _, o := range api.Operations() {
		known[o.ID] = true
	}
	said := map[string]bool{}
	for _, r := range table() {
		if said[r.Command] {
			t.Errorf("%s is there twice", r.Command)
		}
		said[r.Command] = true
		if len(r.Operations) == 0 && r.Note == "" {
			t.Errorf("%s has no operation, and it is not said why", r.Command)
		}
		for _, id := range r.Operations {
			if !known[id] {
				t.Errorf("%s: the API has no operation %s", r.Command, id)
			}
		}
	}
	for _, command := range commandsOf(cli.Tree()) {
		if !said[command] {
			t.Errorf("%s is a command, and the table does not say how it is done by the API, or why it is not", command)
		}
		delete(said, command)
	}
	for command := range said {
		t.Errorf("there is no command %s", command)
	}
}

// commandsOf are the commands of a tree that people call.
func commandsOf(c *cobra.Command) []string {
	var all []string
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if sub.Runnable() {
			all = append(all, strings.TrimPrefix(sub.CommandPath(), "holdfast "))
		}
		all = append(all, commandsOf(sub)...)
	}
	return all
}

func TestGuideHasTheTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(guide)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), begin+written()+end) {
		t.Errorf("%s has another table: run `make docs`", guide)
	}
}
