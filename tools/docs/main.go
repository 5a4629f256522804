// Command docs writes the reference of the command line, from the commands
// themselves: a page in Markdown for each under docs/commands, and a manual
// page under docs/man. The same commands always give the same bytes.
package main

//go:generate go run . -root ../..

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/cli"
)

func main() {
	root := flag.String("root", ".", "the folder of the project")
	flag.Parse()
	if err := run(*root); err != nil {
		log.Fatal(err)
	}
}

// run replaces both folders, so that pages of commands that are gone go too.
func run(root string) error {
	tree := cli.Tree()
	tree.InitDefaultCompletionCmd()
	commands := visible(tree)
	for _, kind := range []struct {
		folder string
		name   func(*cobra.Command) string
		page   func(*cobra.Command) string
	}{
		{"docs/commands", markdownName, markdownPage},
		{"docs/man", manName, manPage},
	} {
		folder := filepath.Join(root, filepath.FromSlash(kind.folder))
		if err := emptyFolder(folder); err != nil {
			return fmt.Errorf("empty %s: %w", kind.folder, err)
		}
		for _, c := range commands {
			page := strings.TrimRight(kind.page(c), "\n") + "\n"
			if err := os.WriteFile(filepath.Join(folder, kind.name(c)), []byte(page), 0o644); err != nil { //nolint:gosec // to be read
				return fmt.Errorf("write page: %w", err)
			}
		}
	}
	return nil
}

// visible returns a command and all below it, in the order of their names.
func visible(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, visible(sub)...)
		}
	}
	return all
}

// emptyFolder removes the pages in a folder and makes the folder.
func emptyFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // to be read
		return err
	}
	for _, pattern := range []string{"holdfast*.md", "holdfast*.1", "README.md"} {
		pages, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, page := range pages {
			if err := os.Remove(page); err != nil {
				return err
			}
		}
	}
	return nil
}
