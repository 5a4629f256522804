// Command install puts the tools named on its command line into the cache that
// tests and the benchmark use, and prints their paths. Without names it lists
// the tools it knows.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"holdfast/test/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := install(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

func install(ctx context.Context, names []string) error {
	if len(names) == 0 {
		for _, name := range tools.Names() {
			fmt.Println(name)
		}
		return nil
	}
	for _, name := range names {
		path, err := tools.Install(ctx, name)
		if err != nil {
			return err
		}
		fmt.Printf("%s\t%s\n", name, path)
	}
	return nil
}
