#!/usr/bin/env bash
# Who may read and write which topic; every other access stays denied. Generated:
# weir topics acls --config deploy/config/live.yaml. Needs an authorizer at the brokers; SERVERS names them.
set -euo pipefail
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic dead_letters
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic progress
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic dead_letters
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --topic progress
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Write --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Write --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Write --topic dead_letters
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Write --topic progress
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Write --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Read --resource-pattern-type prefixed --group weir
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Write --resource-pattern-type prefixed --transactional-id weir-live-
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:weir --operation Describe --resource-pattern-type prefixed --transactional-id weir-live-
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Describe --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Describe --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Describe --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Describe --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Describe --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Read --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Read --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Read --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Read --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Read --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Write --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Write --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Write --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Write --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Write --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:clock --operation Read --resource-pattern-type prefixed --group clock
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:feed --operation Describe --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:feed --operation Write --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:models --operation Describe --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:models --operation Write --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:overlays --operation Describe --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:overlays --operation Describe --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:overlays --operation Read --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:overlays --operation Write --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:overlays --operation Read --resource-pattern-type prefixed --group overlays
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Describe --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Describe --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Describe --topic halts
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Read --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Read --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Write --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Write --topic halts
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:operators --operation Read --resource-pattern-type prefixed --group operators
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:execution --operation Describe --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:execution --operation Describe --topic halts
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:execution --operation Describe --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:execution --operation Read --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:execution --operation Read --topic halts
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:execution --operation Write --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:execution --operation Read --resource-pattern-type prefixed --group execution
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Describe --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Describe --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Describe --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Read --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Read --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Read --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Write --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Read --resource-pattern-type prefixed --group paper_venue
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Write --resource-pattern-type prefixed --transactional-id weir-live-
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:paper_venue --operation Describe --resource-pattern-type prefixed --transactional-id weir-live-
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:notifier --operation Describe --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:notifier --operation Describe --topic telemetry
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:notifier --operation Read --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:notifier --operation Write --topic telemetry
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:notifier --operation Read --resource-pattern-type prefixed --group notifier
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Describe --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Describe --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Describe --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Describe --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Describe --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Describe --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Describe --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --topic market
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --topic signals
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --topic fills
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --topic overlay
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --topic control
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --topic decisions
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --topic orders
kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal User:archive --operation Read --resource-pattern-type prefixed --group archive
