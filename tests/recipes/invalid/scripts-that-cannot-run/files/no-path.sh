#!sh
echo
