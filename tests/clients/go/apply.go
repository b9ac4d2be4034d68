package main

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	networkingv1apply "k8s.io/client-go/applyconfigurations/networking/v1"
)

func as(manager string) metav1.ApplyOptions {
	return metav1.ApplyOptions{FieldManager: manager}
}

func apply(ctx context.Context, g *group) {
	applied(ctx, g)
	shared(ctx, g)
	extracted(ctx, g)
	appliedStatus(ctx, g)
}

// service is what manager wants of the service: one port of its own.
func service(port string, number int32) *corev1apply.ServiceApplyConfiguration {
	return corev1apply.Service("applied", namespace).
		WithLabels(map[string]string{port: "yes"}).
		WithSpec(corev1apply.ServiceSpec().WithPorts(
			corev1apply.ServicePort().WithName(port).WithPort(number).WithProtocol(corev1.ProtocolTCP)))
}

func portNames(service *corev1.Service) string {
	names := []string{}
	for _, port := range service.Spec.Ports {
		names = append(names, port.Name)
	}
	return strings.Join(names, " ")
}

func applied(ctx context.Context, g *group) {
	step("two managers apply their own ports of one service, and take them back")
	web := must(g.next().CoreV1().Services(namespace).Apply(ctx, service("web", 80), as("web")))
	check(web.Spec.ClusterIP != "" && portNames(web) == "web", "%v", web.Spec)
	again := must(g.next().CoreV1().Services(namespace).Apply(ctx, service("web", 80), as("web")))
	check(again.ResourceVersion == web.ResourceVersion, "to apply the same again is a change")
	both := must(g.next().CoreV1().Services(namespace).Apply(ctx, service("admin", 81), as("admin")))
	check(portNames(both) == "web admin", "ports: %s", portNames(both))
	check(len(both.ManagedFields) == 2, "managers: %v", both.ManagedFields)
	nothing := corev1apply.Service("applied", namespace)
	less := must(g.next().CoreV1().Services(namespace).Apply(ctx, nothing, as("web")))
	check(portNames(less) == "admin" && less.Labels["web"] == "", "%v", less)
}

func shared(ctx context.Context, g *group) {
	step("a conflict names the manager, and is won by force")
	mine := corev1apply.ConfigMap("shared", namespace).WithData(map[string]string{"a": "mine", "b": "mine"})
	theirs := corev1apply.ConfigMap("shared", namespace).WithData(map[string]string{"a": "theirs"})
	must(g.next().CoreV1().ConfigMaps(namespace).Apply(ctx, mine, as("me")))
	_, err := g.next().CoreV1().ConfigMaps(namespace).Apply(ctx, theirs, as("they"))
	check(apierrors.IsConflict(err) && strings.Contains(err.Error(), `conflict with "me": .data.a`), "%v", err)
	force := metav1.ApplyOptions{FieldManager: "they", Force: true}
	won := must(g.next().CoreV1().ConfigMaps(namespace).Apply(ctx, theirs, force))
	check(won.Data["a"] == "theirs" && won.Data["b"] == "mine", "%v", won.Data)
	_, err = g.next().CoreV1().ConfigMaps(namespace).Apply(ctx, mine, as("me"))
	check(apierrors.IsConflict(err), "%v", err)
	kept := corev1apply.ConfigMap("shared", namespace).WithData(map[string]string{"b": "mine"})
	must(g.next().CoreV1().ConfigMaps(namespace).Apply(ctx, kept, as("me")))
	read := must(g.next().CoreV1().ConfigMaps(namespace).Get(ctx, "shared", metav1.GetOptions{}))
	check(read.Data["a"] == "theirs", "what another owns goes with who gave it up: %v", read.Data)
}

func extracted(ctx context.Context, g *group) {
	step("what a manager has applied is extracted, changed and applied anew")
	read := must(g.next().CoreV1().ConfigMaps(namespace).Get(ctx, "shared", metav1.GetOptions{}))
	mine := must(corev1apply.ExtractConfigMap(read, "me"))
	check(len(mine.Data) == 1 && mine.Data["b"] == "mine", "extracted: %v", mine.Data)
	mine.WithData(map[string]string{"c": "mine"})
	must(g.next().CoreV1().ConfigMaps(namespace).Apply(ctx, mine, as("me")))
	read = must(g.next().CoreV1().ConfigMaps(namespace).Get(ctx, "shared", metav1.GetOptions{}))
	check(len(read.Data) == 3 && read.Data["c"] == "mine", "%v", read.Data)
}

func appliedStatus(ctx context.Context, g *group) {
	step("a status is applied, and owned apart from the rest")
	must(g.next().NetworkingV1().Ingresses(namespace).Create(ctx, site("applied", "1"), metav1.CreateOptions{}))
	status := networkingv1apply.Ingress("applied", namespace).WithStatus(
		networkingv1apply.IngressStatus().WithLoadBalancer(
			networkingv1apply.IngressLoadBalancerStatus().WithIngress(
				networkingv1apply.IngressLoadBalancerIngress().WithHostname("web.example"))))
	must(g.next().NetworkingV1().Ingresses(namespace).ApplyStatus(ctx, status, as("balancer")))
	read := must(g.next().NetworkingV1().Ingresses(namespace).Get(ctx, "applied", metav1.GetOptions{}))
	check(read.Status.LoadBalancer.Ingress[0].Hostname == "web.example", "%v", read.Status)
	for _, entry := range read.ManagedFields {
		if entry.Manager == "balancer" {
			check(entry.Subresource == "status" && entry.Operation == metav1.ManagedFieldsOperationApply, "%v", entry)
			return
		}
	}
	check(false, "managers: %v", read.ManagedFields)
}
