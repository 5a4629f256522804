package main

import (
	"context"
	"log"
	"os"
)

// The first run makes the repository, the second one opens it.
func Example() {
	folder, err := os.MkdirTemp("", "letters-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	for range 2 {
		if err := run(context.Background(), folder); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// letter.txt, 25 bytes:
	// Dear Ann,
	// it comes back.
	// letter.txt, 25 bytes:
	// Dear Ann,
	// it comes back.
}
