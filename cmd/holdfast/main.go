// Command holdfast backs up, proves restores, and recovers from disasters.
package main

import (
	"os"

	"holdfast/internal/cli"
)

func main() { os.Exit(cli.Main()) }
