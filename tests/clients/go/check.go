package main

import (
	"context"
	"fmt"
	"time"
)

// patience is how long something that must come true may take.
const patience = 30 * time.Second

// step tells what is checked from here on.
func step(format string, arguments ...any) {
	fmt.Printf(format+"\n", arguments...)
}

// ok ends the program when err is one.
func ok(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	ok(err)
	return value
}

// check ends the program, with what is said, unless it holds.
func check(holds bool, format string, arguments ...any) {
	if !holds {
		panic(fmt.Sprintf(format, arguments...))
	}
}

// eventually waits until holds does.
func eventually(ctx context.Context, what string, holds func() bool) {
	deadline := time.Now().Add(patience)
	for !holds() {
		check(time.Now().Before(deadline) && ctx.Err() == nil, "not in time: %s", what)
		time.Sleep(20 * time.Millisecond)
	}
}
