package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func evictions(ctx context.Context, g *group) {
	step("pods are evicted as far as their budget goes")
	guarded := map[string]string{"app": "guarded"}
	names := []string{"guarded-0", "guarded-1", "guarded-2"}
	for _, name := range names {
		// The account that pods run as is made in the background.
		eventually(ctx, "the pod is accepted", func() bool {
			_, err := g.next().CoreV1().Pods(namespace).Create(ctx, pod(name, guarded), metav1.CreateOptions{})
			return err == nil
		})
	}
	for _, name := range names {
		eventually(ctx, name+" is ready", func() bool { return isReady(ctx, g, name) })
	}
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "guard"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr.To(intstr.FromInt32(3)),
			Selector:     &metav1.LabelSelector{MatchLabels: guarded},
		},
	}
	must(g.next().PolicyV1().PodDisruptionBudgets(namespace).Create(ctx, budget, metav1.CreateOptions{}))
	awaitAllowed(ctx, g, 1, 0)
	refused := evict(ctx, g, names[0])
	check(apierrors.IsTooManyRequests(refused), "evicted: %v", refused)
	check(apierrors.HasStatusCause(refused, policyv1.DisruptionBudgetCause), "refused by: %v", refused)

	patch := []byte(`{"spec":{"minAvailable":2}}`)
	must(g.next().PolicyV1().PodDisruptionBudgets(namespace).Patch(ctx, "guard", types.MergePatchType, patch, metav1.PatchOptions{}))
	awaitAllowed(ctx, g, 2, 1)
	ok(evict(ctx, g, names[0]))
	refused = evict(ctx, g, names[1])
	check(apierrors.IsTooManyRequests(refused), "evicted: %v", refused)
	eventually(ctx, "the evicted pod is gone", func() bool {
		_, err := g.next().CoreV1().Pods(namespace).Get(ctx, names[0], metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func isReady(ctx context.Context, g *group, name string) bool {
	pod := must(g.next().CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{}))
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// awaitAllowed waits until the budget's status is of its generation and allows so many.
func awaitAllowed(ctx context.Context, g *group, generation int64, allowed int32) {
	eventually(ctx, "the budget is counted", func() bool {
		budget := must(g.next().PolicyV1().PodDisruptionBudgets(namespace).Get(ctx, "guard", metav1.GetOptions{}))
		status := budget.Status
		return status.ObservedGeneration == generation && status.CurrentHealthy == 3 && status.DisruptionsAllowed == allowed
	})
}

func evict(ctx context.Context, g *group, name string) error {
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return g.next().CoreV1().Pods(namespace).EvictV1(ctx, eviction)
}
