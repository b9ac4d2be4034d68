package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// candidate stands for election with a client of one member alone.
type candidate struct {
	name  string
	leads atomic.Bool
	stop  context.CancelFunc
	done  chan struct{}
}

// leaders counts who leads now; two would be the end of the program.
var leaders atomic.Int32

func stand(ctx context.Context, name string, client *kubernetes.Clientset) *candidate {
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Name: "election", Namespace: "kube-system"},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: name},
	}
	ctx, stop := context.WithCancel(ctx)
	c := &candidate{name: name, stop: stop, done: make(chan struct{})}
	elector := must(leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   3 * time.Second,
		RenewDeadline:   2 * time.Second,
		RetryPeriod:     200 * time.Millisecond,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				check(leaders.Add(1) == 1, "%s leads beside another", name)
				c.leads.Store(true)
			},
			OnStoppedLeading: func() {
				if c.leads.Swap(false) {
					leaders.Add(-1)
				}
			},
		},
	}))
	go func() {
		elector.Run(ctx)
		close(c.done)
	}()
	return c
}

func election(ctx context.Context, g *group) {
	step("of three candidates, each at another member, one leads")
	var candidates []*candidate
	for i := 1; i <= membersCount; i++ {
		candidates = append(candidates, stand(ctx, fmt.Sprintf("candidate-%d", i), g.on(i)))
	}
	first := elected(ctx, candidates)
	time.Sleep(time.Second)
	check(candidates[first-1].leads.Load() && leaders.Load() == 1, "%d lead", leaders.Load())

	step("when node-%d, where the leading candidate goes, is killed, another takes over", first)
	began := time.Now()
	g.kill(first)
	<-candidates[first-1].done
	check(!candidates[first-1].leads.Load(), "it leads without its lease")
	second := elected(ctx, candidates)
	check(second != first, "the same leads")
	took := time.Since(began)
	check(took > 2*time.Second && took < 15*time.Second, "it took %s", took)
	g.startMissing()

	step("a leader that gives up is followed at once")
	began = time.Now()
	candidates[second-1].stop()
	<-candidates[second-1].done
	third := elected(ctx, candidates)
	check(third != second && time.Since(began) < 2*time.Second, "it took %s", time.Since(began))
	held := must(g.next().CoordinationV1().Leases("kube-system").Get(ctx, "election", metav1.GetOptions{}))
	check(*held.Spec.HolderIdentity == candidates[third-1].name, "held by %s", *held.Spec.HolderIdentity)
	check(*held.Spec.LeaseTransitions >= 2, "%d transitions", *held.Spec.LeaseTransitions)
}

// elected waits until one leads and gives its number, from 1.
func elected(ctx context.Context, candidates []*candidate) int {
	leading := 0
	eventually(ctx, "one leads", func() bool {
		for i, c := range candidates {
			if c.leads.Load() {
				leading = i + 1
			}
		}
		return leading != 0
	})
	return leading
}
