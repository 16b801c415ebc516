{{/* Service and Ingress of a web page: (list $ "flower" $flower.ingress $flower.pathPrefix). */}}
{{- define "damage-tasks.serviceAndIngress" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- $ingress := index . 2 }}
{{- $path := index . 3 }}
{{- $name := printf "%s-%s" (include "damage-tasks.name" $root) $component -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- include "damage-tasks.labels" (list $root $component) | nindent 4 }}
spec:
  type: ClusterIP
  selector: {{- include "damage-tasks.selector" (list $root $component) | nindent 4 }}
  ports:
    - {name: http, port: 80, targetPort: http}
{{- if $ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  labels: {{- include "damage-tasks.labels" (list $root $component) | nindent 4 }}
  {{- with $ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- with $ingress.tlsSecret }}
  tls:
    - hosts: [{{ $ingress.host | quote }}]
      secretName: {{ . | quote }}
  {{- end }}
  rules:
    - host: {{ $ingress.host | quote }}
      http:
        paths:
          - path: {{ $path | default "/" }}
            pathType: Prefix
            backend:
              service:
                name: {{ $name }}
                port: {name: http}
{{- end }}
{{- end }}
