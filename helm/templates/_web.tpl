{{/* Service and Ingress of a web page: (list $ "flower" $flower.ingress $flower.pathPrefix). */}}
{{- define "damage-tasks.serviceAndIngress" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- $ingress := index . 2 }}
{{- $path := index . 3 }}
{{- $name := printf "%s-%s" (include "damage-tasks.fullname" $root) $component -}}
apiVersion: v1
kind: Service
metadata: {{- include "damage-tasks.metadata" (dict "root" $root "component" $component) | nindent 2 }}
spec:
  type: ClusterIP
  selector: {{- include "damage-tasks.selector" (list $root $component) | nindent 4 }}
  ports:
    - {name: http, port: 80, targetPort: http}
{{- if $ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{- include "damage-tasks.metadata" (dict "root" $root "component" $component "annotations" $ingress.annotations) | nindent 2 }}
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
