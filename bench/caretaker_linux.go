package main

import (
	"os"
	"os/exec"
	"syscall"
)

// stopServers is run by a shell with the folder of a workshop: when its input
// ends, it stops the servers that still run there. Those lead a life of their
// own, and a number in a file may be of another process by then: a server works
// in its data directory.
const stopServers = `cat >/dev/null
for file in "$0"/pg/*/postmaster.pid; do
	read -r pid <"$file" && [ "$(readlink "/proc/$pid/cwd")" = "${file%/*}" ] && kill -QUIT "$pid"
done`

// leaveCaretaker has the servers of a workshop stopped once this process has
// ended, even if it was killed: the input of the caretaker ends with it.
func (w *workshop) leaveCaretaker() error {
	input, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close() //nolint:errcheck // the caretaker has it
	w.alive = held
	cmd := exec.Command("sh", "-c", stopServers, w.o.root)
	cmd.Stdin = input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what interrupts this one spares it
	return cmd.Start()
}
