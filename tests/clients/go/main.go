// Clients of the API, written as any program in Go is, against every member of a group.
//
// Each area is a series of steps that go to one member after the other. A step prints what it
// checks; the program ends at the first that does not hold.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

var areas = map[string]func(context.Context, *group){
	"typed":     typed,
	"apply":     apply,
	"dynamic":   dynamics,
	"informers": informed,
	"election":  election,
	"operator":  operator,
}

func main() {
	if len(os.Args) != 3 || areas[os.Args[1]] == nil {
		names := make([]string, 0, len(areas))
		for name := range areas {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: %s AREA KUBECONFIG\nareas: %v\n", os.Args[0], names)
		os.Exit(2)
	}
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	areas[os.Args[1]](ctx, openGroup(os.Args[2]))
}
